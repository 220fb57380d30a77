package ptx

// Special is a special register.
type Special uint8

// The special registers.
const (
	NoSpecial Special = iota
	TidX
	TidY
	TidZ
	NTidX
	NTidY
	NTidZ
	CtaidX
	CtaidY
	CtaidZ
	NCtaidX
	NCtaidY
	NCtaidZ
	LaneID
	WarpID
	NWarpID
	SMID
	NSMID
	GridID
	LaneMaskEq
	LaneMaskLe
	LaneMaskLt
	LaneMaskGe
	LaneMaskGt
	Clock
	ClockHi
	Clock64
	GlobalTimer
	GlobalTimerLo
	GlobalTimerHi
	DynamicSmemSize
	TotalSmemSize
	AggrSmemSize
	ClusteridX
	ClusteridY
	ClusteridZ
	NClusteridX
	NClusteridY
	NClusteridZ
	ClusterCtaidX
	ClusterCtaidY
	ClusterCtaidZ
	ClusterNCtaidX
	ClusterNCtaidY
	ClusterNCtaidZ
	ClusterCtaRank
	ClusterNCtaRank
	IsExplicitCluster
	ReservedSmemBegin
	ReservedSmemEnd
	ReservedSmemCap
	CurrentGraphExec
	PerfCounter // %pm0 and the like
	EnvReg      // %envreg0 and the like: 0
	numSpecials
)

var specialNames = [numSpecials]string{
	TidX: "%tid.x", TidY: "%tid.y", TidZ: "%tid.z", NTidX: "%ntid.x", NTidY: "%ntid.y", NTidZ: "%ntid.z",
	CtaidX: "%ctaid.x", CtaidY: "%ctaid.y", CtaidZ: "%ctaid.z", NCtaidX: "%nctaid.x", NCtaidY: "%nctaid.y", NCtaidZ: "%nctaid.z",
	LaneID: "%laneid", WarpID: "%warpid", NWarpID: "%nwarpid", SMID: "%smid", NSMID: "%nsmid", GridID: "%gridid",
	LaneMaskEq: "%lanemask_eq", LaneMaskLe: "%lanemask_le", LaneMaskLt: "%lanemask_lt", LaneMaskGe: "%lanemask_ge", LaneMaskGt: "%lanemask_gt",
	Clock: "%clock", ClockHi: "%clock_hi", Clock64: "%clock64",
	GlobalTimer: "%globaltimer", GlobalTimerLo: "%globaltimer_lo", GlobalTimerHi: "%globaltimer_hi",
	DynamicSmemSize: "%dynamic_smem_size", TotalSmemSize: "%total_smem_size", AggrSmemSize: "%aggr_smem_size",
	ClusteridX: "%clusterid.x", ClusteridY: "%clusterid.y", ClusteridZ: "%clusterid.z",
	NClusteridX: "%nclusterid.x", NClusteridY: "%nclusterid.y", NClusteridZ: "%nclusterid.z",
	ClusterCtaidX: "%cluster_ctaid.x", ClusterCtaidY: "%cluster_ctaid.y", ClusterCtaidZ: "%cluster_ctaid.z",
	ClusterNCtaidX: "%cluster_nctaid.x", ClusterNCtaidY: "%cluster_nctaid.y", ClusterNCtaidZ: "%cluster_nctaid.z",
	ClusterCtaRank: "%cluster_ctarank", ClusterNCtaRank: "%cluster_nctarank", IsExplicitCluster: "%is_explicit_cluster",
	ReservedSmemBegin: "%reserved_smem_offset_begin", ReservedSmemEnd: "%reserved_smem_offset_end", ReservedSmemCap: "%reserved_smem_offset_cap",
	CurrentGraphExec: "%current_graph_exec", PerfCounter: "%pm0", EnvReg: "%envreg0",
}

var specialsByName = func() map[string]Special {
	m := make(map[string]Special, numSpecials)
	for s := TidX; s < numSpecials; s++ {
		m[specialNames[s]] = s
	}
	return m
}()

// String is the name with its %.
func (s Special) String() string { return specialNames[s] }
