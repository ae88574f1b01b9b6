# clickstream: every target that a person or CI runs. `make` prints this list.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.built=$(shell git log -1 --format=%cI 2>/dev/null || echo unknown)

# The race detector needs a C compiler; a machine without one runs the same tests without it.
RACE := $(shell command -v cc >/dev/null 2>&1 && echo -race)

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: tools
tools:
	@command -v go  >/dev/null || { echo "make: go is not on the PATH: install Go 1.26 or later from your package manager or go.dev" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "make: npm is not on the PATH: install Node.js 20 or later (it brings npm; it fetches the ClickHouse engine)" >&2; exit 1; }

.PHONY: build
build: ## Build bin/clickstream
	@command -v go >/dev/null || { echo "make: go is not on the PATH: install Go 1.26 or later from your package manager or go.dev" >&2; exit 1; }
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/clickstream ./cmd/clickstream

.PHONY: engine
engine: tools build ## Fetch the ClickHouse engine (178 MB, once) into the user's cache
	@bin/clickstream engine --fetch >/dev/null # its path, which is for scripts

.PHONY: demo
demo: engine ## Run everything on this machine, without Docker (ARGS="--rate 1000 --for 30s")
	@exec bin/clickstream demo $(ARGS)

.PHONY: up
up: ## Run everything in containers, built anew (needs Docker); docker compose up -d does without make
	docker compose up --build

.PHONY: test
test: engine ## Run all tests, on a real broker protocol and a real ClickHouse engine
	gofmt -l . | { ! grep . ; } || { echo "make: the files above are not gofmt-ed: run gofmt -w" >&2; exit 1; }
	go vet ./...
	go vet -tags noengine ./cmd/clickstream
	bin/clickstream lint pipelines/produce.yaml pipelines/consume.yaml pipelines/replay.yaml
	bin/clickstream test pipelines/produce.yaml pipelines/consume.yaml pipelines/replay.yaml
	go test $(RACE) -timeout 15m -p 2 $$(go list ./config/... ./grafana/... ./internal/... ./pipelines/... ./plugins/... | grep -v -e internal/page/browser -e plugins/clickhouse/exactlyonce)
	go test -timeout 20m -p 1 ./plugins/clickhouse/exactlyonce ./internal/page/browser ./cmd/... ./bench/...

.PHONY: lint
lint: ## Run the linters of .golangci.yml (compiles them on first use: two minutes)
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

.PHONY: vuln
vuln: ## Fail if our code reaches a known vulnerability (fetches the database on first use: a minute)
	@.ci/supply vuln

.PHONY: sbom
sbom: ## Write the bill of materials of this platform's binary (SBOM=bin/sbom.json)
	@mkdir -p bin && .ci/supply sbom $(or $(SBOM),bin/sbom.json)

.PHONY: licences
licences: ## Gather the licences of everything that is linked (LICENCES=bin/licences)
	@mkdir -p bin && .ci/supply licences $(or $(LICENCES),bin/licences)

.PHONY: test-clients
test-clients: engine ## Test with outside clients: needs kcat and curl on the PATH
	@command -v kcat >/dev/null || { echo "make: kcat is not on the PATH: apt-get install kcat (or kafkacat)" >&2; exit 1; }
	@command -v curl >/dev/null || { echo "make: curl is not on the PATH: apt-get install curl" >&2; exit 1; }
	go test -tags clients -timeout 5m -run TestOutsideClients ./cmd/clickstream

.PHONY: test-kafka
test-kafka: engine kafka ## Test on a real Apache Kafka, kill -9 of it included (needs Java, Maven)
	go test -count=1 -tags kafka -timeout 30m -run '^TestRealKafka' -v ./cmd/clickstream

.PHONY: faults-kafka
faults-kafka: engine kafka ## Kill a real Apache Kafka in mid replay, KILLS=300 times (hours: a start takes 4 to 20 s)
	KILLS=$${KILLS:-300} go test -count=1 -tags kafka -timeout 8h -run '^TestRealKafkaKilledInReplays$$' -v ./cmd/clickstream

fault_tests := TestStorm|TestTwoConsumersOneKilled|TestAuditFindsPlanted|TestExactlyOnce|TestRebalanceStorm|TestClockSkew|TestRewind|TestTopicCreatedAnew|TestSessionTooShort|TestSignalStorm|TestKilledAtEachStep|TestDrainOfAStoppedWriter|TestZombieOfTheSameName|TestSlowClickHouse|TestFenceEmptied|TestNetworkFaults|TestHalfRequest|TestNoSuchHost|TestReconnectsLeakNothing|TestBrokerErrors|TestThrottled|TestRefusedForItsSize|TestLeadersAndCoordinatorsMove|TestServerRefusesOnce|TestServerAnswers|TestMemoryLimit|TestReadOnlyAtTheStart

.PHONY: faults
faults: engine ## Kill, stop and cut everything, then hold each record against the tables (KILLS=200 SEED= MINUTES= OUTAGE=300)
	$(MAKE) --jobs=2 faults-outage faults-others

# Five minutes in which a consumer waits leave the machine to the others.
.PHONY: faults-outage faults-others
faults-outage: export OUTAGE ?= 300
faults-outage:
	go test -count=1 -timeout 1h -v -run '^TestOutageMemory$$' ./cmd/clickstream
faults-others: export KILLS ?= $(if $(MINUTES),,200)
faults-others: export FAULTS = full
faults-others:
	go test -count=1 -timeout 3h -p 2 -v -run '^($(fault_tests))' ./cmd/clickstream ./plugins/kafka ./plugins/clickhouse

.PHONY: faults-nightly
faults-nightly: ## The same with a thousand kills
	$(MAKE) faults KILLS=1000

.PHONY: model
model: ## Run a million random schedules of the exactly-once protocol (SEED=); `make test` runs 20,000, others each day
	go test -count=1 -timeout 30m -v -run '^TestModel$$' ./plugins/clickhouse/exactlyonce -schedules 1000000 -seed $${SEED:-0}

.PHONY: mutants
mutants: engine ## Take each rule out and print which no test misses (ONLY=plugins/kafka)
	go run ./internal/mutants -only "$(ONLY)"

.PHONY: test-dirt
test-dirt: engine ## Send 1,000,000 records, 60 % of them dirt, and hold each to the ledger
	DIRT_EVENTS=1000000 go test -count=1 -timeout 15m -run 'TestDirt$$' -v ./cmd/clickstream

.PHONY: fuzz
fuzz: ## Fuzz every parser, a minute each, and keep what it finds (FUZZTIME=10m FUZZ=FuzzScan)
	@grep -rlE '^func Fuzz' --include=*_test.go . | while read -r file; do \
		for name in $$(sed -nE "s/^func ($${FUZZ:-Fuzz[A-Za-z0-9_]+})\(.*/\1/p" "$$file"); do \
			echo "== $$name ($$(dirname "$$file"))"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $${FUZZTIME:-1m} -fuzzminimizetime 10x "./$$(dirname "$$file")"; \
			go run ./internal/corpus/keep "$$(dirname "$${file#./}")" "$$name"; \
		done; \
	done

.PHONY: kafka
kafka: ## Fetch Apache Kafka (44 MB, once) into the user's cache: needs Maven, and Java 17 to run it
	@bench/kafka/kafka fetch

.PHONY: bench
bench: engine kafka ## Measure everything end to end and write docs/benchmarks.md (needs Java, Maven, Python)
	@bench/python/run --fetch
	go run ./bench/compare --write docs/benchmarks.md

.PHONY: bench-full
bench-full: engine ## Measure an event's cost in a table of 100 million rows, too (6 GB of disk)
	go run ./bench/compare --big --write docs/benchmarks.md

.PHONY: bench-ratio
bench-ratio: engine ## Hold consume.yaml against bench/limit; fail below half its rows per CPU-second
	go run ./bench/compare --quick --events 4000000 --rounds 5 --floor 0.5

.PHONY: bench-pure
bench-pure: ## Run the benchmarks of the pure parts (BENCHTIME=1s)
	go test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),1s) -benchmem ./internal/event/... ./plugins/... ./bench/limit

.PHONY: bench-footprint
bench-footprint: engine ## Print CPU and memory of a demo at 100 events/s after ten minutes (VIEW=clickstream-shop)
	bench/footprint/run

.PHONY: bench-panels
bench-panels: engine ## Print what each panel takes over a day of 10^8 events (4 GB of disk)
	go run ./bench/panels

.PHONY: bench-verify
bench-verify: engine ## Print time and memory of clickstream verify over 10^8 rows (ROWS=)
	bench/verify/run
