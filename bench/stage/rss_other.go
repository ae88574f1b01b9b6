//go:build !linux

package stage

// rssUnit is what Rusage.Maxrss counts in.
const rssUnit = 1
