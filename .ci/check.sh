#!/bin/sh
# Everything that must hold before a change lands: generated code is current, the code is formatted, vetted and linted, the tests pass at
# every CPU level and under the race detector, and it builds without cgo.
set -e
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }

step generated code is current
make generate
git diff --exit-code -- fallback cuda/driver cuda/sim

step compiled kernels are current and within their budgets
sh kernels/check.sh

step format, vet, lint
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	echo "not formatted: $unformatted" >&2
	exit 1
fi
go vet ./...
make vet
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

step build without cgo, and for a CPU without assembly
CGO_ENABLED=0 go build ./...
CGO_ENABLED=0 GOARCH=arm64 go vet ./fallback/... ./cuda/sim/...

step tests
make test TESTFLAGS="-timeout 30m"

levels=generic
if grep -qs avx512bw /proc/cpuinfo; then # elsewhere the tests above ran at avx2
	levels="generic avx2"
fi
for level in $levels; do
	step "tests of the kernels and the machine at PALLADIO_CPU=$level"
	PALLADIO_CPU=$level go test -timeout 30m ./fallback/... ./engine/op/... ./engine ./cuda/sim
done

step race detector
go test -race -short -timeout 30m ./fallback ./engine/... ./kernels/...
make test TESTFLAGS="-race -short -timeout 30m" PACKAGES=./cuda/driver
