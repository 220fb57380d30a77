// Package vision is networks for images and their training.
//
// Images come from engine/data, channels-last; networks are nn.Modules that make logits [N, classes] of them.
package vision
