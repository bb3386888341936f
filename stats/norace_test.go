//go:build !race

package stats_test

const raced = false
