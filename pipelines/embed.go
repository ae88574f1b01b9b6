// Package pipelines holds the two pipelines inside the binary too, so that
// `clickstream demo` needs no checkout.
package pipelines

import _ "embed"

// Produce is produce.yaml: simulated visitors to Kafka.
//
//go:embed produce.yaml
var Produce string

// Consume is consume.yaml: Kafka to ClickHouse, dead letters aside.
//
//go:embed consume.yaml
var Consume string
