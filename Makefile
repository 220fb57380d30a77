GO ?= go

.PHONY: build run test check bench peers generate kernels

build:
	$(GO) build -o bin/palladio ./cmd/palladio

# The main job: a first architecture search on real images.
run: build
	./bin/palladio search run examples/first.yaml

test:
	$(GO) test ./...

# All that must hold: current generated code, lint, tests at every CPU level, race detector.
check:
	sh .ci/check.sh

bench: build
	./bin/palladio bench

# Rivals, installed into build/peers and measured in the same run; fails if a bar is missed.
peers: build
	sh bench/peers/run.sh

generate:
	sh fallback/_gen/generate.sh

# The CUDA kernels' PTX, and the table of what each entry point needs (clang 19 and ptxas, fetched where missing).
kernels:
	sh kernels/build.sh
