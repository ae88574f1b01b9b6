package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// dataSource is the only kind of data source whose queries the page can run.
const dataSource = "grafana-clickhouse-datasource"

// Formats of a query's answer (grafana-clickhouse-datasource).
const (
	formatSeries = 0 // points in time; string columns become labels
	formatTable  = 1 // rows as they come
)

// Board is a dashboard that can be drawn.
type Board struct {
	UID, Title, Description string
	// Refresh is the time between two computations of a cheap panel.
	Refresh time.Duration
	// Range is the time range to begin with, one of Ranges.
	Range     string
	Variables []*Variable
	Panels    []*Panel
	// Unknown lists what the page leaves out of the board, apart from panels.
	Unknown []string

	// stamp is a hash of the file, to tell a board from what it was before.
	stamp string
}

// Panel is one panel of a Board.
type Panel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	Grid        Grid           `json:"grid"`
	Options     map[string]any `json:"options"`
	// Unknown says what the page does not support of the panel; it is then not drawn.
	Unknown string `json:"unknown,omitempty"`

	sql         string
	format      int
	minInterval time.Duration
	maxPoints   int
	fields      fieldSettings
	transforms  []transformation
	// uses are the variables that sql refers to.
	uses []string
	// spells are those of uses whose values stand in sql, beside $__conditionalAll.
	spells map[string]bool
	// bucketed: sql depends on the width of a bucket.
	bucketed bool
}

// Grid is a panel's place on a grid of 24 columns.
type Grid struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// boardJSON is the part of a dashboard that is read.
type boardJSON struct {
	UID         string          `json:"uid"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Refresh     json.RawMessage `json:"refresh"` // a text, or false
	Time        struct{ From, To string }
	Templating  struct{ List []variableJSON }
	Annotations struct{ List []annotationJSON }
	Panels      []json.RawMessage
	Rows        []json.RawMessage // of schema versions before 16
	Kind        string            // of schema v2
	Elements    json.RawMessage   // of schema v2
	Spec        json.RawMessage   // of schema v2
	Dashboard   json.RawMessage   // the wrapping of Grafana's HTTP API
}

type annotationJSON struct {
	Name    string
	Enable  *bool
	BuiltIn int
}

// ParseBoard reads a dashboard in Grafana's JSON (schema v1). A panel that the page
// cannot draw is no error; it says so in Unknown.
func ParseBoard(raw []byte) (*Board, error) {
	b, err := decodeBoard(raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	board := &Board{stamp: string(sum[:8]), UID: b.UID, Title: b.Title, Description: b.Description, Refresh: refreshOf(b.Refresh), Range: rangeOf(b.Time.From)}
	for _, v := range b.Templating.List {
		variable := parseVariable(v)
		board.Variables = append(board.Variables, variable)
		if variable.unknown != "" {
			board.Unknown = append(board.Unknown, "variable "+v.Name+": "+variable.unknown)
		}
	}
	for _, a := range b.Annotations.List {
		if a.BuiltIn == 0 && (a.Enable == nil || *a.Enable) {
			board.Unknown = append(board.Unknown, fmt.Sprintf("annotation %q", a.Name))
		}
	}
	ids := map[int]bool{}
	for i, raw := range b.Panels {
		p, err := parsePanel(raw)
		if err != nil {
			return nil, fmt.Errorf("panel %d: %w", i+1, err)
		}
		if ids[p.ID] {
			return nil, fmt.Errorf("panel %d (%q): want an id of its own, got %d again", i+1, p.Title, p.ID)
		}
		ids[p.ID] = true
		board.check(p)
		board.Panels = append(board.Panels, p)
	}
	return board, nil
}

// decodeBoard unwraps the JSON and tells what is not a dashboard of schema v1.
func decodeBoard(raw []byte) (b boardJSON, err error) {
	if err := decode(raw, &b); err != nil {
		return b, err
	}
	if b.Dashboard != nil && b.Panels == nil {
		wrapped := b.Dashboard
		b = boardJSON{}
		if err := decode(wrapped, &b); err != nil {
			return b, err
		}
	}
	switch {
	case b.Elements != nil || b.Spec != nil:
		return b, errors.New("dashboard of schema v2: want v1; export it from Grafana as classic JSON")
	case b.Rows != nil:
		return b, errors.New("dashboard of an old schema (with rows): open and save it in a newer Grafana")
	case b.UID == "":
		return b, errors.New("uid: want one, got none")
	case b.Panels == nil:
		return b, errors.New("panels: want a list, got none")
	}
	if b.Title == "" {
		b.Title = b.UID
	}
	return b, nil
}

// decode is json.Unmarshal whose errors say where.
func decode(raw []byte, into any) error {
	err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at := raw[:min(int(syntax.Offset), len(raw))]
		return fmt.Errorf("line %d: %w", 1+bytes.Count(at, []byte("\n")), err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: want %s, got %s", kind.Field, kind.Type, kind.Value)
	}
	return err
}

// refreshOf bounds a dashboard's refresh; the default is its lower bound.
func refreshOf(raw json.RawMessage) time.Duration {
	var text string
	_ = json.Unmarshal(raw, &text) // false: no refresh of its own
	d, err := time.ParseDuration(text)
	if err != nil {
		return minRefresh
	}
	return min(max(d, minRefresh), maxRefresh)
}

const (
	minRefresh = time.Second
	maxRefresh = time.Minute
)

// rangeOf returns the narrowest of Ranges that is not below a dashboard's own
// ("now-15m").
func rangeOf(from string) string {
	text, _ := strings.CutPrefix(from, "now-")
	d, err := duration(text)
	if err != nil {
		return Ranges[0]
	}
	for _, r := range Ranges {
		if known, err := duration(r); err == nil && d <= known {
			return r
		}
	}
	return Ranges[len(Ranges)-1]
}

// duration reads a number and a unit as Grafana writes them: 500ms, 1s, 5m, 1h, 7d.
func duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		return 24 * d, err
	}
	return time.ParseDuration(text)
}
