package page

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// panelJSON is the part of a panel that is read. Keys that are not here and not in
// ignoredKeys make a panel unknown: each may change what it shows.
type panelJSON struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     Grid
	Datasource  *sourceJSON
	Targets     []targetJSON
	Interval    string
	MaxPoints   int `json:"maxDataPoints"`
	FieldConfig struct {
		Defaults  map[string]any
		Overrides []overrideJSON
	}
	Options         map[string]any
	Transformations []transformationJSON
	Collapsed       bool
	Panels          []json.RawMessage
}

type sourceJSON struct{ Type, UID string }

// UnmarshalJSON takes the old form, a bare name, for one of unknown type.
func (s *sourceJSON) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, &s.UID)
	}
	type plain sourceJSON // without this method
	return json.Unmarshal(raw, (*plain)(s))
}

type targetJSON struct {
	Hide       bool
	Datasource *sourceJSON
	RawSQL     string `json:"rawSql"`
	Format     int
}

// readKeys and ignoredKeys are the keys of a panel: those that panelJSON reads and
// those without an effect on what is drawn.
var (
	readKeys = []string{"id", "type", "title", "description", "gridPos", "datasource", "targets", "interval", "maxDataPoints",
		"fieldConfig", "options", "transformations", "collapsed", "panels"}
	ignoredKeys = []string{"pluginVersion", "transparent", "links", "repeatDirection", "cacheTimeout", "queryCachingTTL"}
)

func parsePanel(raw json.RawMessage) (*Panel, error) {
	var j panelJSON
	var keys map[string]json.RawMessage
	if err := decode(raw, &keys); err != nil {
		return nil, err
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	p := &Panel{ID: j.ID, Type: j.Type, Title: j.Title, Description: j.Description, Grid: j.GridPos.bounded(), maxPoints: j.MaxPoints}
	var unknown []string
	for key, value := range keys {
		if !slices.Contains(readKeys, key) && !slices.Contains(ignoredKeys, key) && !empty(value) {
			unknown = append(unknown, "panel key "+key)
		}
	}
	slices.Sort(unknown)
	unknown = append(unknown, p.read(j)...)
	if len(unknown) > 0 {
		p.Unknown = "not supported: " + strings.Join(unknown, "; ")
	}
	return p, nil
}

// empty tells a value that stands for none.
func empty(raw json.RawMessage) bool {
	return slices.Contains([]string{"null", `""`, "false", "[]", "{}", "0"}, string(raw))
}

// bounded keeps a panel on the grid, whatever the file says.
func (g Grid) bounded() Grid {
	const columns, rows = 24, 1000
	g.X = min(max(g.X, 0), columns-1)
	g.W = min(max(g.W, 1), columns-g.X)
	g.Y = min(max(g.Y, 0), rows*rows)
	g.H = min(max(g.H, 1), rows)
	return g
}

// read fills p from j and returns what it does not know.
func (p *Panel) read(j panelJSON) (unknown []string) {
	kind, ok := panelTypes[j.Type]
	if !ok {
		return []string{fmt.Sprintf("panel type %q", j.Type)}
	}
	if j.Type == "row" {
		if j.Collapsed {
			unknown = append(unknown, "a collapsed row (expand it before you save the dashboard)")
		}
		return unknown
	}
	unknown = append(unknown, p.readTargets(j)...)
	unknown = append(unknown, kind.checkOptions(j.Options)...)
	p.Options = merged(kind.defaults, j.Options)
	if legend, ok := p.Options["legend"].(map[string]any); ok && legend["displayMode"] == "hidden" {
		legend["showLegend"] = false
	}
	p.fields = newFieldSettings(j.FieldConfig.Defaults, j.FieldConfig.Overrides)
	unknown = append(unknown, p.fields.check(kind)...)
	for _, t := range j.Transformations {
		known, err := parseTransformation(t)
		if err != nil {
			unknown = append(unknown, err.Error())
		} else if known != nil {
			p.transforms = append(p.transforms, known)
		}
	}
	if j.Interval != "" {
		d, err := duration(strings.TrimPrefix(j.Interval, ">"))
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("interval %q", j.Interval))
		}
		p.minInterval = d
	}
	return unknown
}

// readTargets takes the one query that a panel has.
func (p *Panel) readTargets(j panelJSON) (unknown []string) {
	var seen int
	for _, t := range j.Targets {
		if t.Hide {
			continue
		}
		seen++
		source := t.Datasource
		if source == nil || source.Type == "" {
			source = j.Datasource
		}
		if source == nil || source.Type != dataSource {
			unknown = append(unknown, "a data source that is not "+dataSource)
		}
		if t.Format != formatSeries && t.Format != formatTable {
			unknown = append(unknown, fmt.Sprintf("query format %d", t.Format))
		}
		p.sql, p.format = t.RawSQL, t.Format
	}
	if seen != 1 {
		unknown = append(unknown, fmt.Sprintf("%d queries in one panel (want one)", seen))
	}
	if strings.TrimSpace(p.sql) == "" && seen == 1 {
		unknown = append(unknown, "a query that is not SQL (rawSql is empty)")
	}
	p.bucketed = bucketMacro.MatchString(p.sql)
	return unknown
}

// merged returns options over defaults, one level of objects deep.
func merged(defaults, options map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range defaults {
		out[name] = value
	}
	for name, value := range options {
		inner, isObject := value.(map[string]any)
		under, hasDefault := out[name].(map[string]any)
		if isObject && hasDefault {
			value = merged(under, inner)
		}
		out[name] = value
	}
	return out
}

// bucketMacro finds macros whose expansion depends on the width of a bucket.
var bucketMacro = regexp.MustCompile(`__interval|timeInterval`)
