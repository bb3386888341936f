package adminapi

import (
	"maps"
	"slices"
)

// Documented are the routes of operations, as METHOD /path.
func Documented() []string { return slices.Sorted(maps.Keys(operations())) }

// Glossary are the words of the glossary.
func Glossary() []string { return slices.Sorted(maps.Keys(glossary())) }

// SchemaWords are the schemas that have a description.
func SchemaWords() []string { return slices.Sorted(maps.Keys(schemas())) }
