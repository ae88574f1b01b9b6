package replay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/event"
)

// column adds a name to those that the mapping reads.
func (m *mapping) column(name, fallback string) from {
	f := from{index: -1, name: name}
	if fallback != "" {
		f.absent = []byte(fallback)
	}
	if name == "" {
		return f
	}
	if f.index = slices.Index(m.names, name); f.index < 0 {
		f.index = len(m.names)
		m.names = append(m.names, name)
	}
	return f
}

// rees46 is the layout of REES46's multi-category store. What it says beyond our fields
// (category, brand, session) is left out.
func rees46() (m mapping) {
	m.kind = m.column("event_type", "")
	m.types = map[string]event.Type{
		"view": event.PageView, "cart": event.AddToCart,
		"purchase": event.Purchase, "remove_from_cart": event.RemoveFromCart,
	}
	m.user = m.column("user_id", "")
	m.product = m.column("product_id", "")
	m.price = m.column("price", "")
	m.time = m.column("event_time", "")
	m.clock.layouts = []string{layoutUTC}
	return m
}

// parseMapping reads preset or mapping.
func parseMapping(pc *service.ParsedConfig) (m mapping, err error) {
	preset, err := pc.FieldString("preset")
	if err != nil {
		return m, err
	}
	own := false // an object that is left out has its fields' defaults
	for _, name := range []string{"event_type", "user_id", "product_id", "price", "timestamp"} {
		own = own || given(pc, "mapping", name)
	}
	switch {
	case preset != "none" && preset != "rees46":
		return m, fmt.Errorf("preset: want rees46 or none, got %q", preset)
	case preset == "none" && !own:
		return m, errors.New("preset, mapping: want one of them, got none")
	case preset != "none" && own:
		return m, errors.New("preset, mapping: want one of them, got both")
	case !own:
		return rees46(), nil
	}
	pc = pc.Namespace("mapping")
	for _, f := range []struct {
		name string
		into *from
	}{{"event_type", &m.kind}, {"user_id", &m.user}, {"product_id", &m.product}, {"price", &m.price}, {"timestamp", &m.time}} {
		if *f.into, err = m.parseColumn(pc, f.name); err != nil {
			return m, err
		}
	}
	if err := m.parseTypes(pc); err != nil {
		return m, err
	}
	if m.clock.layouts, err = pc.FieldStringList("timestamp", "layouts"); err != nil {
		return m, err
	}
	if len(m.clock.layouts) == 0 {
		return m, errors.New("mapping.timestamp.layouts: want at least one, got none")
	}
	for _, layout := range m.clock.layouts {
		if err := checkLayout(layout); err != nil {
			return m, fmt.Errorf("mapping.timestamp.layouts: %w", err)
		}
	}
	return m, m.constants()
}

// given reports whether a source says anything.
func given(pc *service.ParsedConfig, path ...string) bool {
	name, _ := pc.FieldString(append(path, "from")...)
	fallback, _ := pc.FieldString(append(path, "default")...)
	return name != "" || fallback != ""
}

func (m *mapping) parseColumn(pc *service.ParsedConfig, field string) (from, error) {
	name, err := pc.FieldString(field, "from")
	if err != nil {
		return from{}, err
	}
	fallback, err := pc.FieldString(field, "default")
	if err == nil && name == "" && fallback == "" {
		err = fmt.Errorf("mapping.%s: want from (a column), default (a value), or both, got none", field)
	}
	return m.column(name, fallback), err
}

func (m *mapping) parseTypes(pc *service.ParsedConfig) error {
	values, err := pc.FieldStringMap("event_type", "values")
	if err != nil {
		return err
	}
	if m.types = names(); len(values) == 0 {
		return nil
	}
	ours := m.types
	m.types = map[string]event.Type{}
	for theirs, name := range values {
		if m.types[theirs] = ours[name]; ours[name] == 0 {
			return fmt.Errorf("mapping.event_type.values.%s: want one of %s, got %q", theirs, strings.Join(slices.Sorted(maps.Keys(ours)), ", "), name)
		}
	}
	return nil
}

// constants refuses values of the config that no row could make right.
func (m *mapping) constants() error {
	if v := m.kind.absent; v != nil && m.types[string(v)] == 0 {
		return fmt.Errorf("mapping.event_type.default: want a type that values names, got %q", v)
	}
	if v := m.price.absent; v != nil {
		if _, _, reason := parsePrice(v); reason != "" {
			return fmt.Errorf("mapping.price.default: want a number from 0 on, got %q", v)
		}
	}
	if v := m.time.absent; v != nil {
		if _, ok := m.clock.parse(v); !ok {
			return fmt.Errorf("mapping.timestamp.default: want a time of one of the layouts, got %q", v)
		}
	}
	return nil
}
