GO ?= go

.PHONY: build run test check bench peers generate

build:
	$(GO) build -o bin/palladio ./cmd/palladio

# The main job: a first architecture search on real images.
run: build
	./bin/palladio search run examples/first.yaml

test:
	$(GO) test ./...

# What CI runs.
check: 
	sh .ci/check.sh

bench: build
	./bin/palladio bench

# Rivals, measured in the same run; installs them into .venv.
peers: build
	sh bench/peers/run.sh

generate:
	sh fallback/_gen/generate.sh
