#!/bin/sh
# Writes ../NAME_amd64.s and ../NAME_stubs_amd64.go for every family of assembly kernels.
set -e
cd "$(dirname "$0")"
go build -o /tmp/palladio-gen.$$ .
trap 'rm -f /tmp/palladio-gen.$$' EXIT
for f in $(/tmp/palladio-gen.$$ -list); do
	/tmp/palladio-gen.$$ -family "$f" -pkg fallback -out "../${f}_amd64.s" -stubs "../${f}_stubs_amd64.go"
done
