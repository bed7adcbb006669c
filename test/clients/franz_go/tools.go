// Package clients only names what the franz-go suite tests, so that go.mod keeps it.
package clients

import _ "github.com/twmb/franz-go/pkg/kgo"
