GO ?= go
PACKAGES ?= ./...

# With cgo and a C compiler the program can load NVIDIA's driver when it runs (tag gpu); nothing of the CUDA toolkit is needed. GPU=0 leaves it out.
GPU ?= $(shell test "$$($(GO) env GOOS)" = linux && test "$$($(GO) env CGO_ENABLED)" = 1 && command -v $$($(GO) env CC) >/dev/null && echo 1)
ifeq ($(GPU),1)
TAGS := -tags gpu
STUB := build/gpu/libcuda.a
export CGO_CFLAGS = -g -O2 -I$(CURDIR)/cuda/driver/include
export CGO_LDFLAGS = -L$(CURDIR)/build/gpu
endif

.PHONY: build run test vet check bench peers generate kernels gpu-suite

build: $(STUB)
	$(GO) build $(TAGS) -o bin/palladio ./cmd/palladio

# The main job: a first architecture search on real images.
run: build
	./bin/palladio search run examples/first.yaml

test: $(STUB)
	$(GO) test $(TAGS) $(TESTFLAGS) $(PACKAGES)

# gorgonia.org/cu asks the linker for -lcuda; the functions are those of cuda/driver, so the library has nothing in it.
build/gpu/libcuda.a:
	mkdir -p $(@D)
	ar rcs $@

vet: $(STUB)
	$(GO) vet $(TAGS) ./...

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
	sh cuda/sim/_gen/generate.sh
	cd cuda/driver/_gen && $(GO) run . ..

# The CUDA kernels' PTX, and the table of what each entry point needs (clang 19 and ptxas, fetched where missing).
kernels:
	sh kernels/build.sh

# A folder to copy to a machine with a GPU: the program with its kernels, PyTorch's side of the benchmark, and run.sh. It runs where there is no Go, no network and
# no CUDA toolkit, with glibc 2.34 or later.
gpu-suite: $(STUB)
	rm -rf build/gpu-suite
	mkdir -p build/gpu-suite/peers
	$(GO) build $(TAGS) -trimpath -ldflags '-s -w' -o build/gpu-suite/palladio ./cmd/palladio
	cp bench/gpu/run.sh build/gpu-suite
	cp bench/peers/protocol.py bench/peers/torch_peer.py bench/peers/torch_gpu_peer.py build/gpu-suite/peers
	@du -sh build/gpu-suite
