//go:build !amd64

package fallback

const haveAssembly = false
