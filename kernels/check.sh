#!/bin/sh
# The committed PTX and tables of resources are what the sources give: compiles and assembles every kernel and wants no difference.
set -eu
cd "$(dirname "$0")/.."
sh kernels/build.sh
changed=$(git status --porcelain -- 'kernels/*/*.ptx' 'kernels/*/ptxas.txt')
if [ -n "$changed" ]; then
	printf 'not what the sources give (commit the result of make kernels):\n%s\n' "$changed" >&2
	exit 1
fi
