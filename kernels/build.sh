#!/bin/sh
# Compiles the CUDA kernels: kernels/NAME/FILE.cu to the committed kernels/NAME/FILE.ptx, and assembles each for the GPUs that we ship for, only to
# see what it needs: kernels/NAME/ptxas.txt lists registers, shared memory and spills of each entry point.
#
#   sh kernels/build.sh [-n] [NAME...]     all families, or the named ones; -n leaves out the assembling
#
# Sources are done side by side, one a processor, by calls of this script with -one (and -n) and the source.
# It fails where an entry point spills, uses the stack, or needs more registers than its launch bounds leave. The output depends
# on the sources, clang 19 and the version of ptxas alone. What has not changed since the last run is not done again (build/kernels).
set -eu
cd "$(dirname "$0")/.."

clang=${CLANG:-clang-19}
ptxas_version=12.9.86
flags="-x cuda --cuda-device-only -nocudainc -nocudalib --cuda-gpu-arch=sm_80 -Xclang -target-feature -Xclang +ptx74 -std=c++17 -O3 -Wall -Werror -Ikernels/include"
archs="sm_80 sm_90"
work=build/kernels
mkdir -p "$work"

assemble=-a
one=
while :; do
	case "${1:-}" in
	-n) assemble=-n ;;
	-a) assemble=-a ;;
	-one) one=1 ;;
	*) break ;;
	esac
	shift
done

if ! command -v "$clang" >/dev/null; then
	echo "installing clang-19 from Debian" >&2
	apt-get update -q >&2 && apt-get install -q -y --no-install-recommends clang-19 >&2
fi

# ptxas comes from NVIDIA's package on PyPI; no other part of the CUDA toolkit is needed.
ptxas=build/cuda-$ptxas_version/nvidia/cuda_nvcc/bin/ptxas
if [ $assemble = -a ] && [ ! -x "$ptxas" ]; then
	echo "fetching ptxas $ptxas_version from PyPI" >&2
	dir=build/cuda-$ptxas_version
	mkdir -p "$dir"
	python3 -m pip download -q --no-deps -d "$dir" "nvidia-cuda-nvcc-cu12==$ptxas_version" >&2
	python3 -m zipfile -e "$dir"/*.whl "$dir"
	rm "$dir"/*.whl
	chmod +x "$ptxas"
fi

# compile SOURCE: PTX without comments, which name the compiler's build.
compile() {
	out=${1%.cu}.ptx
	stamp=$work/$(echo "$1" | tr / _).sum
	sum=$({ echo "$flags"; "$clang" --version; "$clang" $flags -E -P "$1" -o -; } | sha256sum)
	[ -f "$out" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum $(sha256sum <"$out")" ] && return
	echo "compiling $1" >&2
	"$clang" $flags -S "$1" -o "$stamp.ptx"
	sed -e 's,[[:space:]]*//.*$,,' -e '/^[[:space:]]*$/d' "$stamp.ptx" >"$out"
	echo "$sum $(sha256sum <"$out")" >"$stamp"
}

# assembled PTX GPU: the file with what ptxas says of it.
assembled() { echo "$work/$(sha256sum <"$1" | cut -c1-32).$2"; }

# assemble PTX, for each GPU.
assemble() {
	for arch in $archs; do
		kept=$(assembled "$1" "$arch")
		[ -s "$kept" ] && continue
		echo "assembling $1 for $arch" >&2
		"$ptxas" -arch "$arch" -v -o /dev/null "$1" 2>"$kept.new" || {
			cat "$kept.new" >&2
			return 1
		}
		mv "$kept.new" "$kept"
	done
}

if [ -n "$one" ]; then
	compile "$1"
	[ $assemble = -n ] || assemble "${1%.cu}.ptx"
	exit
fi

if [ $# = 0 ]; then
	for d in kernels/*/; do
		set -- "$@" "$(basename "$d")"
	done
fi
for name in "$@"; do
	ls "kernels/$name"/*.cu 2>/dev/null || :
done | xargs -P "$(nproc)" -n 1 sh kernels/build.sh -one $assemble
[ $assemble = -a ] || exit 0

# A row for each entry point and GPU.
failed=
for name in "$@"; do
	ls "kernels/$name"/*.cu >/dev/null 2>&1 || continue
	table=$work/$name.table
	echo "# module entry gpu registers budget shared stack spilled: bytes but for registers, by ptxas $ptxas_version; the budget is that of the launch bounds" >"$table"
	for ptx in "kernels/$name"/*.ptx; do
		for arch in $archs; do
			awk -v module="$(echo "$ptx" | sed 's,^kernels/,,; s,\.ptx$,,')" -v arch="$arch" -f kernels/resources.awk "$ptx" "$(assembled "$ptx" "$arch")"
		done
	done >>"$table"
	mv "$table" "kernels/$name/ptxas.txt"
	awk '!/^#/ && ($4 > $5 || $7 > 0 || $8 > 0) { print "over budget: " $0; bad = 1 } END { exit bad }' "kernels/$name/ptxas.txt" >&2 || failed=1
done
[ -z "$failed" ]
