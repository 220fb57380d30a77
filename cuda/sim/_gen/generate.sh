#!/bin/sh
# Writes ../lanes_amd64.s and ../lanes_stubs_amd64.go.
set -e
cd "$(dirname "$0")"
go run . -pkg sim -out ../lanes_amd64.s -stubs ../lanes_stubs_amd64.go
