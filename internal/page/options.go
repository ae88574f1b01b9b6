package page

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// optionAge is how old the choices of a query variable may be.
	optionAge = 10 * time.Second
	// maxOptions is what a person looks through.
	maxOptions = 200
)

// optionCache holds the choices of query variables.
type optionCache struct {
	mu   sync.Mutex
	last map[string]choice
}

type choice struct {
	at      time.Time
	options []Option
	err     error
}

func newOptionCache() *optionCache { return &optionCache{last: map[string]choice{}} }

// variables returns the board's variables with the choices they have in a range.
func (s *Server) variables(b *Board, r request) []*Variable {
	out := []*Variable{}
	for _, v := range b.Variables {
		if v.unknown != "" {
			continue
		}
		filled := *v
		if v.Type == "query" {
			options, err := s.choices(b, v, r)
			filled.Options = options
			if err != nil {
				filled.Error = failureOf(err).Message
			}
		}
		out = append(out, &filled)
	}
	return out
}

// choices runs a query variable's SQL, or returns what it gave lately.
func (s *Server) choices(b *Board, v *Variable, r request) ([]Option, error) {
	key := fmt.Sprint(b.UID, "\x00", b.stamp, "\x00", v.Name, "\x00", r.span, r.from.UnixMilli(), r.to.UnixMilli())
	s.options.mu.Lock()
	defer s.options.mu.Unlock()
	if c, ok := s.options.last[key]; ok && time.Since(c.at) < optionAge && c.err == nil {
		return c.options, nil
	}
	for key, c := range s.options.last {
		if time.Since(c.at) > optionAge {
			delete(s.options.last, key)
		}
	}
	s.heart.touch()
	c := choice{at: time.Now()}
	c.options, c.err = s.readChoices(v, r)
	s.options.last[key] = c
	return c.options, c.err
}

func (s *Server) readChoices(v *Variable, r request) ([]Option, error) {
	last, _, alive := s.heart.now()
	if last.down() {
		return []Option{}, last.err
	}
	from, to := r.bounds(time.Now())
	sql, err := Expand(v.sql, Query{From: from, To: to, Interval: Interval(from, to, r.points, 0), Variables: r.variables})
	if err != nil {
		return []Option{}, err
	}
	columns, _, err := s.db.query(alive, sql)
	if err != nil || len(columns) == 0 {
		return []Option{}, err
	}
	values, texts := columns[0].values, columns[min(1, len(columns)-1)].values
	options := []Option{}
	for i := range values {
		if values[i] == nil || texts[i] == nil {
			continue
		}
		o := Option{Text: fmt.Sprint(texts[i]), Value: fmt.Sprint(values[i])}
		if len(o.Text) <= maxValueBytes && len(o.Value) <= maxValueBytes { // one that could be chosen
			options = append(options, o)
		}
		if len(options) == maxOptions {
			break
		}
	}
	return options, nil
}

// allOptions is what "All" stands for, for the variables that a panel uses so.
func (s *Server) allOptions(b *Board, p *Panel, r request) map[string][]string {
	out := map[string][]string{}
	for _, v := range b.Variables {
		if !slices.Contains(p.uses, v.Name) || !slices.Contains(r.variables[v.Name], all) {
			continue
		}
		options := v.Options
		if v.Type == "query" && p.spells[v.Name] {
			options, _ = s.choices(b, v, r) // without choices the panel's own query tells why
		}
		values := []string{}
		for _, o := range options {
			values = append(values, o.Value)
		}
		out[v.Name] = values
	}
	return out
}
