//go:build tools

// Package tools names what the tests build of other modules.
package tools

import _ "github.com/globalsign/est/cmd/estclient"
