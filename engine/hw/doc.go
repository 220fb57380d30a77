// Package hw prices work on hardware: kernel calls go in, time and what bounds it come out.
//
// Roofline is the first model. A price never comes without its breakdown. Figures of a machine carry where they are from: measured
// here, published, or assumed. The package reads kernels and nothing above them: it does not know of graphs or networks.
package hw
