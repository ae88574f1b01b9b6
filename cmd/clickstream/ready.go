package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/process"
)

// readiness is the answer of /ready.
type readiness struct {
	Ready  bool    `json:"ready"`
	Checks []check `json:"checks"`
}

// check is one component or server.
type check struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"`
}

// serveReadiness makes /ready follow Kafka and ClickHouse. Benthos' own answer
// knows whether a component once connected, not whether its server still answers:
// our outputs retry inside, so that one lost server does not stall the recovery.
func serveReadiness(resources *service.Resources, summary *service.RunningStreamSummary) error {
	endpoints, err := endpointsOf(resources)
	if err != nil {
		return err
	}
	endpoints.RegisterEndpoint("/ready", "Returns 200 if every component is connected and every server answers, otherwise 503.",
		func(w http.ResponseWriter, _ *http.Request) {
			answer := readinessOf(summary.ConnectionStatuses(), process.Health())
			w.Header().Set("Content-Type", "application/json")
			if !answer.Ready {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_ = json.NewEncoder(w).Encode(answer) // the client went away: nothing left to tell it
		})
	return nil
}

func readinessOf(components []service.ConnectionStatus, servers map[string]error) readiness {
	out := readiness{Ready: true}
	add := func(name string, ok bool, err error) {
		c := check{Name: name, Ready: ok}
		if err != nil {
			c.Error = err.Error()
		}
		out.Checks = append(out.Checks, c)
		out.Ready = out.Ready && ok
	}
	for _, s := range components {
		add(strings.Join(s.Path(), "."), s.Active(), s.Err())
	}
	for name, err := range servers {
		add(name, err == nil, err)
	}
	slices.SortFunc(out.Checks, func(a, b check) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// endpointer is the part of Benthos' manager that adds HTTP endpoints.
type endpointer interface {
	RegisterEndpoint(path, description string, handler http.HandlerFunc)
}

// endpointsOf reaches that part. With another Benthos this may fail, and then only
// readiness is poorer.
func endpointsOf(resources *service.Resources) (endpointer, error) {
	found, ok := managerOf(resources).(endpointer)
	if !ok {
		return nil, errors.New("reach the endpoints of Benthos: no method RegisterEndpoint")
	}
	return found, nil
}

// managerOf returns what Benthos runs a pipeline's components with, nil if that cannot be
// had. There is no public way to it, and the method Unwrap returns a type that cannot be
// named outside Benthos, so reflection calls it.
func managerOf(resources *service.Resources) (manager any) {
	defer func() { _ = recover() }()
	unwrap := reflect.ValueOf(resources.XUnwrapper()).MethodByName("Unwrap")
	if !unwrap.IsValid() {
		return nil
	}
	return unwrap.Call(nil)[0].Interface()
}
