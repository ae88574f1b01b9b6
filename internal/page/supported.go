package page

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// This file is the closed list of what the page draws of Grafana's panels.
// docs/dashboards.md is printed from it; whatever is not here makes a panel say "not
// supported" instead of showing something else than Grafana does.

// panelType is what the page knows of one type of panel.
type panelType struct {
	// about is its line in the documentation.
	about string
	// options are the known ones by their path, each with the values that are drawn.
	options map[string]values
	// custom are the known settings under fieldConfig.defaults.custom.
	custom map[string]values
	// defaults are Grafana's, for options that a panel leaves out.
	defaults map[string]any
}

// values are those of an option that are drawn; nil: every value.
type values []string

// noEffect marks an option of taste: any value is taken, and the page keeps its own
// look. What the figures say does not depend on it.
const noEffect = "(no effect)"

var (
	anything values
	taste    = values{noEffect}
	boolean  = values{"true", "false"}
	off      = values{"false"}
	calcs    = values(slices.Sorted(maps.Keys(reducers)))
	// legendCalcs are those that the page names in a legend.
	legendCalcs = values{"lastNotNull", "last", "mean", "max", "min", "sum"}
	// reduceOptions say how a panel makes one value of many.
	reduceOptions = map[string]values{
		"reduceOptions.calcs": calcs, "reduceOptions.fields": anything, "reduceOptions.values": boolean, "reduceOptions.limit": anything,
	}
	reduceDefaults = map[string]any{"calcs": []any{"lastNotNull"}, "fields": "", "values": false}
	legendDefaults = map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []any{}}
	textSizes      = map[string]values{"text.titleSize": taste, "text.valueSize": taste, "text.percentSize": taste}
	// hidden fields are not known: they would be in the answer and on the screen.
	shown = map[string]values{"hideFrom.legend": off, "hideFrom.tooltip": off, "hideFrom.viz": off}
)

var panelTypes = map[string]panelType{
	"timeseries": {
		about: "Lines, areas or bars over time, also stacked.",
		options: map[string]values{
			"legend.displayMode": {"list", "table", "hidden"}, "legend.placement": {"bottom", "right"}, "legend.showLegend": boolean,
			"legend.calcs": legendCalcs, "legend.width": taste, "legend.sortBy": taste, "legend.sortDesc": taste,
			"tooltip.mode": {"single", "multi"}, "tooltip.sort": {"none", "desc"}, "tooltip.maxHeight": taste, "tooltip.maxWidth": taste,
			"tooltip.hideZeros": off,
		},
		custom: with(shown, map[string]values{
			"drawStyle": {"line", "bars"}, "lineInterpolation": {"linear", "smooth", "stepBefore", "stepAfter"},
			"lineWidth": anything, "fillOpacity": anything, "gradientMode": taste, "showPoints": {"auto", "never", "always"},
			"pointSize": taste, "spanNulls": boolean, "insertNulls": off, "barAlignment": taste, "barWidthFactor": taste,
			"axisPlacement": {"auto", "left"}, "axisLabel": taste, "axisColorMode": {"text"}, "axisBorderShow": off,
			"axisCenteredZero": off, "axisSoftMin": taste, "axisSoftMax": taste, "scaleDistribution.type": {"linear"},
			"stacking.mode": {"none", "normal"}, "stacking.group": {"A"}, "thresholdsStyle.mode": {"off"}, "lineStyle.fill": {"solid"},
			"showValues": off,
		}),
		defaults: map[string]any{"legend": legendDefaults, "tooltip": map[string]any{"mode": "single", "sort": "none"}},
	},
	"stat": {
		about: "One value, or a few, in large figures; with a line in the background.",
		options: with(reduceOptions, textSizes, map[string]values{
			"graphMode": {"none", "area"}, "colorMode": {"none", "value", "background", "background_solid"},
			"textMode": {"auto", "value", "value_and_name"}, "justifyMode": taste, "orientation": taste, "wideLayout": taste,
			"showPercentChange": off, "percentChangeColorMode": taste,
		}),
		custom: shown,
		defaults: map[string]any{"graphMode": "area", "colorMode": "value", "textMode": "auto", "justifyMode": "auto",
			"orientation": "auto", "wideLayout": true, "reduceOptions": reduceDefaults},
	},
	"bargauge": {
		about: "One bar a value, lying; with steps that follow each other, a funnel.",
		options: with(reduceOptions, textSizes, map[string]values{
			"orientation": {"auto", "horizontal", ""}, "displayMode": {"basic", "gradient"}, "valueMode": {"color", "text"},
			"namePlacement": taste, "showUnfilled": taste, "sizing": taste, "minVizHeight": taste, "minVizWidth": taste, "maxVizHeight": taste,
			"legend.showLegend": off, "legend.displayMode": taste, "legend.placement": taste, "legend.calcs": taste,
		}),
		custom: shown,
		defaults: map[string]any{"orientation": "auto", "displayMode": "gradient", "valueMode": "color", "namePlacement": "auto",
			"showUnfilled": true, "reduceOptions": reduceDefaults},
	},
	"piechart": {
		about: "Shares of a whole, always as a donut with a list of names, values and shares beside it.",
		options: with(reduceOptions, map[string]values{
			"pieType": {"pie", "donut"}, "displayLabels": taste, "sort": {"none", "asc", "desc"},
			"legend.displayMode": taste, "legend.placement": taste, "legend.showLegend": taste, "legend.calcs": taste, "legend.values": taste,
			"legend.width": taste, "tooltip.mode": taste, "tooltip.sort": taste, "tooltip.hideZeros": taste, "tooltip.maxHeight": taste,
			"tooltip.maxWidth": taste,
		}),
		custom:   shown,
		defaults: map[string]any{"pieType": "pie", "displayLabels": []any{}, "sort": "desc", "reduceOptions": reduceDefaults},
	},
	"table": {
		about: "Rows and columns.",
		options: map[string]values{
			"showHeader": {"true"}, "cellHeight": taste, "sortBy": anything, "frameIndex": {"0"}, "enablePagination": taste,
			"footer.show": off, "footer.reducer": taste, "footer.countRows": off, "footer.fields": taste, "footer.enablePagination": taste,
			"disableKeyboardEvents": taste,
		},
		custom: with(shown, map[string]values{
			"align": taste, "cellOptions.type": {"auto", "color-text", "color-background", "gauge"}, "cellOptions.mode": taste,
			"cellOptions.valueDisplayMode": taste, "cellOptions.applyToRow": off, "cellOptions.wrapText": taste, "width": taste,
			"minWidth": taste, "inspect": taste, "filterable": taste, "hidden": boolean, "wrapText": taste, "wrapHeaderText": taste,
		}),
		defaults: map[string]any{"showHeader": true, "cellHeight": "sm"},
	},
	"row": {about: "A heading over the panels below it."},
}

// fieldProperties are the known settings of a field, in defaults or an override.
var fieldProperties = map[string]values{
	"unit": slices.Sorted(maps.Keys(units)), "decimals": anything, "min": anything, "max": anything, "displayName": anything,
	"noValue": anything, "description": taste, "links": {}, "filterable": taste, "actions": {}, "writeable": taste, "fieldMinMax": off,
	"color.mode": {"fixed", "thresholds", "palette-classic"}, "color.fixedColor": anything, "color.seriesBy": taste,
	"thresholds.mode": {"absolute", "percentage"}, "thresholds.steps": anything, "mappings": anything,
}

// matchers are the ways in which an override may choose its fields.
var matchers = map[string]string{
	"byName": "the field's name or its display name", "byRegexp": "the same, by a regular expression",
	"byType": "number, string, time or boolean", "byFrameRefID": "the query's letter (a panel has one query, so every field)",
}

// with joins tables.
func with(tables ...map[string]values) map[string]values {
	all := map[string]values{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// checkOptions returns those options of a panel that are not known.
func (k panelType) checkOptions(options map[string]any) []string {
	return checked(options, k.options, "option ")
}

// checked compares the leaves of an object with a table, and says what is not in it.
func checked(object map[string]any, known map[string]values, what string) (unknown []string) {
	leaves := map[string]any{}
	flatten("", object, leaves)
	for _, path := range slices.Sorted(maps.Keys(leaves)) {
		allowed, ok := known[path]
		if !ok {
			unknown = append(unknown, what+path)
			continue
		}
		if bad, ok := allowed.refuse(leaves[path]); ok {
			unknown = append(unknown, fmt.Sprintf("%s%s: %v (known: %s)", what, path, bad, allowed))
		}
	}
	return unknown
}

// flatten lists the leaves of nested objects by their path, a.b.c; lists are leaves.
func flatten(path string, value any, into map[string]any) {
	object, ok := value.(map[string]any)
	if !ok {
		if value != nil {
			into[path] = value
		}
		return
	}
	for name, inner := range object {
		flatten(strings.TrimPrefix(path+"."+name, "."), inner, into)
	}
}

// refuse returns the value, or the first one of a list, that is not drawn.
func (v values) refuse(value any) (bad any, refused bool) {
	if v == nil || slices.Contains(v, noEffect) {
		return nil, false
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, item := range list {
		if !slices.Contains(v, fmt.Sprint(item)) {
			return item, true
		}
	}
	return nil, false
}

func (v values) String() string {
	if v == nil {
		return "any"
	}
	return strings.Join(v, ", ")
}
