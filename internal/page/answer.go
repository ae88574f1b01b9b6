package page

import (
	"fmt"
	"slices"
	"time"
)

// Answer is a panel at one moment.
type Answer struct {
	ID int `json:"id"`
	// At is when it was computed, From and To the range that was asked for, all in
	// milliseconds since 1970.
	At       int64   `json:"at"`
	TookMS   float64 `json:"took_ms"`
	From     int64   `json:"from"`
	To       int64   `json:"to"`
	Interval int64   `json:"interval_ms"`
	// PaceMS is how old it may become before a newer one is due, if that is later than
	// the board's refresh.
	PaceMS int64    `json:"pace_ms,omitempty"`
	Error  *Failure `json:"error,omitempty"`
	Fields []Field  `json:"fields"`
	// Items are what a stat, bar gauge or pie shows.
	Items []Item `json:"items,omitempty"`
	// Total is the sum of a pie's items, as text.
	Total string `json:"total,omitempty"`

	took time.Duration
}

// failed is the answer of a panel that was not asked for, without an error if that is right.
func (p *Panel) failed(r request, err error) Answer {
	now := time.Now()
	from, to := r.bounds(now)
	return Answer{ID: p.ID, At: now.UnixMilli(), From: from.UnixMilli(), To: to.UnixMilli(), Error: failureOf(err), Fields: []Field{}}
}

// answer makes a panel of what its query returned. Every failure is in the answer.
func (p *Panel) answer(q result) Answer {
	a := Answer{
		ID: p.ID, At: q.at.UnixMilli(), From: q.from.UnixMilli(), To: q.to.UnixMilli(), Interval: q.interval.Milliseconds(),
		TookMS: float64(q.took.Microseconds()) / 1000, Fields: []Field{}, took: q.took,
	}
	err := q.err
	if err == nil {
		err = p.fill(&a, q.columns)
	}
	a.Error = failureOf(err)
	return a
}

// fill turns columns into what is drawn.
func (p *Panel) fill(a *Answer, columns []column) (err error) {
	if p.format == formatSeries {
		if columns, err = series(columns); err != nil {
			return err
		}
	}
	for _, t := range p.transforms {
		columns = t(columns)
	}
	if p.Type == "timeseries" {
		columns = drawable(columns)
	}
	if p.Type == "table" {
		columns = p.tableOrder(columns)
	}
	index := 0
	for _, c := range columns {
		f, err := p.fields.resolve(c, index)
		if err != nil {
			return err
		}
		if c.kind == kindNumber {
			index++
		}
		a.Fields = append(a.Fields, f)
	}
	p.finish(a)
	return nil
}

// finish computes what each type of panel shows beside its fields.
func (p *Panel) finish(a *Answer) {
	switch p.Type {
	case "timeseries":
		for i := range a.Fields {
			p.summarise(&a.Fields[i])
		}
	case "table":
		for i := range a.Fields {
			a.Fields[i].write()
		}
	case "stat", "bargauge":
		a.Items = newReduction(p.Options).items(a.Fields)
		if len(a.Items) == 0 {
			a.Items = p.nothing()
		}
		fillBars(a.Items, a.Fields)
	case "piechart":
		a.Items = newReduction(p.Options).items(a.Fields)
		a.Total = fillShares(a.Items, a.Fields)
		sortItems(a.Items, p.Options["sort"])
	}
	if p.Type != "timeseries" && p.Type != "table" && (p.Type != "stat" || p.Options["graphMode"] == "none") {
		a.Fields = []Field{} // the items say it all
	}
}

// nothing is the item of a panel without rows: its text for no value.
func (p *Panel) nothing() []Item {
	f, err := p.fields.resolve(column{kind: kindNumber}, 0)
	if err != nil || f.NoValue == "" {
		return []Item{}
	}
	return []Item{f.item("", nil, 0)}
}

// drawable is the first time column and the numbers.
func drawable(columns []column) []column {
	var out []column
	for _, c := range columns {
		if c.kind == kindTime && len(out) == 0 {
			out = append(out, c)
		}
	}
	for _, c := range columns {
		if c.kind == kindNumber {
			out = append(out, c)
		}
	}
	return out
}

// summarise fills in what the legend shows beside a name.
func (p *Panel) summarise(f *Field) {
	legend, _ := p.Options["legend"].(map[string]any)
	list, _ := legend["calcs"].([]any)
	if f.Kind != kindNumber {
		return
	}
	for _, name := range list {
		if calc, ok := reducers[fmt.Sprint(name)]; ok {
			f.Legend = append(f.Legend, Summary{Calc: fmt.Sprint(name), Text: f.text(calc(f.Values))})
		}
	}
}

// tableOrder sorts the rows as options.sortBy says, and leaves hidden columns out.
func (p *Panel) tableOrder(columns []column) []column {
	list, _ := p.Options["sortBy"].([]any)
	for _, item := range slices.Backward(list) {
		by, _ := item.(map[string]any)
		name, _ := by["displayName"].(string)
		desc, _ := by["desc"].(bool)
		for _, c := range columns {
			if f, err := p.fields.resolve(c, 0); err == nil && (f.Display == name || f.Name == name) {
				columns = sorted(columns, c.name, desc)
				break
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		f, err := p.fields.resolve(c, 0)
		return err == nil && f.Custom["hidden"] == true
	})
}

// write fills in the texts and colors of a table's cells.
func (f *Field) write() {
	if f.Kind == kindTime && f.Unit != "dateTimeFromNow" && len(f.Mappings) == 0 {
		return // the browser knows the viewer's zone
	}
	cell, _ := f.Custom["cellOptions"].(map[string]any)
	colored := cell["type"] == "color-text" || cell["type"] == "color-background" || cell["type"] == "gauge"
	f.Text = make([]string, len(f.Values))
	for i, value := range f.Values {
		f.Text[i] = f.text(value)
		if colored {
			f.Colors = append(f.Colors, f.colorOf(value, i))
		}
	}
}
