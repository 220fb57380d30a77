package driver

// newestPTX is the newest PTX that the driver of each CUDA version takes, in ascending order (PTX ISA, release notes).
var newestPTX = []struct{ cuda, ptx int }{
	{11000, 70}, {11010, 71}, {11020, 72}, {11030, 73}, {11040, 74}, {11050, 75}, {11060, 76}, {11070, 77}, {11080, 78},
	{12000, 80}, {12010, 81}, {12020, 82}, {12030, 83}, {12040, 84}, {12050, 85}, {12070, 86}, {12080, 87}, {12090, 88}, {13000, 90}, {13010, 91},
}

// NewestPTX is the newest PTX version that a driver of a CUDA version takes: 12040 gives 84, for 8.4. It is a lower bound for drivers that are newer than this
// table, and 0 for those before CUDA 11.
func NewestPTX(cuda int) int {
	ptx := 0
	for _, v := range newestPTX {
		if cuda >= v.cuda {
			ptx = v.ptx
		}
	}
	return ptx
}
