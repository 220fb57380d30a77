# Joins a PTX module's launch bounds (first file) with what ptxas -v reports of it (second file).
function budget(threads, blocks, r) {
	if (!threads) return 255
	r = int(65536 / (threads * (blocks ? blocks : 1)) / 8) * 8
	return r > 255 ? 255 : r
}
FNR == NR && /\.entry/ { sub(/\(.*/, ""); entry = $NF; order[++entries] = entry }
FNR == NR && /^\.maxntid/ { gsub(/,/, ""); threads[entry] = $2 * ($3 ? $3 : 1) * ($4 ? $4 : 1) }
FNR == NR && /^\.minnctapersm/ { blocks[entry] = $2 }
FNR == NR { next }
/Compiling entry function/ { split($0, part, "'"); entry = part[2] }
/stack frame/ && /spill stores/ { # of the entry point, and of each function that it calls
	match($0, /[0-9]+ bytes stack/); stack[entry] += substr($0, RSTART)
	match($0, /[0-9]+ bytes spill stores/); spilled[entry] += substr($0, RSTART)
}
/Used [0-9]+ registers/ {
	match($0, /Used [0-9]+/)
	registers[entry] = substr($0, RSTART + 5) + 0
	shared[entry] = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
}
END {
	for (i = 1; i <= entries; i++) {
		e = order[i]
		print module, e, arch, registers[e], budget(threads[e], blocks[e]), shared[e] + 0, stack[e] + 0, spilled[e] + 0
	}
}
