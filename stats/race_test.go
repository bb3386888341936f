//go:build race

package stats_test

// raced is set under the race detector, which makes everything ten times slower.
const raced = true
