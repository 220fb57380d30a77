#!/bin/sh
# Installs and builds the rivals (Debian 12 and PyPI packages), then measures ours against them and leaves the result in bench/results.
# Everything lands in build/peers; run as root, or with the Debian packages already installed.
set -e
cd "$(dirname "$0")/../.."
packages="libopenblas-dev libdnnl-dev g++ python3-venv python3-torch"
if ! dpkg -s $packages >/dev/null 2>&1; then
	apt-get update -q
	apt-get install -yq --no-install-recommends $packages
fi
mkdir -p build/peers
cc -O2 -Wall -o build/peers/openblas bench/peers/openblas.c -lopenblas -lm
c++ -O2 -Wall -o build/peers/onednn bench/peers/onednn.cpp -ldnnl
if [ ! -x build/peers/venv/bin/python ]; then
	python3 -m venv build/peers/venv
	build/peers/venv/bin/pip install -q jax==0.10.2 onnxruntime==1.32.0 onnx numpy
fi
exec ./bin/palladio bench --peers --bars --out bench/results "$@"
