// Package version says which build of Talktime this is. It depends on nothing.
//
//	fmt.Println(version.String())
package version

import "runtime/debug"

// Tag is set by the linker: -X talktime/internal/version.Tag=v1.2.3. Empty: a build from a checkout.
var Tag string

// String is the tag, else the revision that the build came from, else "devel".
func String() string {
	if Tag != "" {
		return Tag
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
