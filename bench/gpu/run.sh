#!/bin/sh
# The GPU suite, for a machine with an NVIDIA GPU and its driver; it needs no Go, no network and no CUDA toolkit. PyTorch is measured
# beside Palladio where python3 has it. The results are left in results/. DEVICE is cuda:0 unless it is given; further arguments go to the benchmark,
# such as gpu-gemm (one suite only) or --small.
#
#	./run.sh [DEVICE] [ARGUMENT...]
cd "$(dirname "$0")" || exit 1
device=${1:-cuda:0}
[ $# -gt 0 ] && shift
mkdir -p results || exit 1
status=0
./palladio devices | tee results/devices.txt
echo
echo "== conformance on $device"
./palladio check --device "$device" | tee results/check.txt
[ -s results/check.txt ] && ! grep -q -e FAILED -e unsupported results/check.txt || status=1
echo
echo "== benchmarks on $device"
./palladio bench --device "$device" --peers --peers-src peers --out results "$@" | tee results/bench.txt
[ -s results/bench.txt ] || status=1
exit $status
