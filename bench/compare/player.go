package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"clickstream/bench/stage"
)

// job is what a player gets to do: everything that differs between two runs.
type job struct {
	topic, database, group string
	events                 int
	rate                   int // offered, for a producer; 0: as fast as it can
	cpus                   string
}

// player is one of the programs that are compared.
type player struct {
	name    string
	table   stage.Table
	share   float64 // of the events; a slow one gets fewer
	stops   bool    // it ends by itself once it has had its events
	most    int     // the highest load worth offering to it, in events a second; 0: any
	command func(s *stage.Stage, j job) []string
}

// The consumers: the same records of one topic into tables of the same columns.
var (
	ours = player{name: "consume.yaml", share: 1, command: func(s *stage.Stage, j job) []string {
		return []string{s.Clickstream, "-c", filepath.Join(s.Repo, "pipelines/consume.yaml"), "-s", "input.kafka.group=" + j.group}
	}}
	limit = player{name: "bench/limit", table: stage.Plain, share: 1, stops: true, command: func(s *stage.Stage, j job) []string {
		return []string{s.Limit, "consume", "--group", j.group, "--count", strconv.Itoa(j.events)}
	}}
	python = player{name: "Python", table: stage.Plain, share: 0.08, stops: true, most: 50_000, command: func(s *stage.Stage, j job) []string {
		return []string{filepath.Join(s.Repo, "bench/python/run"), "consume.py", "--group", j.group, "--count", strconv.Itoa(j.events)}
	}}
)

// The producers: the same number of events into a topic of their own.
var (
	produceOurs = player{name: "produce.yaml", share: 1, stops: true, command: func(s *stage.Stage, j job) []string {
		args := []string{s.Clickstream, "-c", filepath.Join(s.Repo, "pipelines/produce.yaml")}
		if j.events > 0 {
			args = append(args, "-s", fmt.Sprintf("input.clickstream_simulator.count=%d", j.events))
		}
		return args
	}}
	ceiling = player{name: "bench/limit produce", share: 1, stops: true, command: func(s *stage.Stage, j job) []string {
		return []string{s.Limit, "produce", "--count", strconv.Itoa(j.events)}
	}}
)

// start runs the player as a child.
func (p player) start(s *stage.Stage, j job) (*stage.Child, error) {
	return s.Start(stage.Command{Name: p.name, Args: p.command(s, j), CPUs: j.cpus, Env: []string{
		"KAFKA_BROKERS=" + s.Brokers, "KAFKA_TOPIC=" + j.topic, "CLICKHOUSE_ADDR=" + s.Native,
		"CLICKHOUSE_DATABASE=" + j.database, "RATE=" + strconv.Itoa(j.rate), "HTTP_ADDRESS=127.0.0.1:0",
	}})
}

// finish ends a player's run.
func (p player) finish(c *stage.Child) (stage.Usage, error) {
	if p.stops {
		return c.Wait(time.Minute)
	}
	return c.Stop()
}
