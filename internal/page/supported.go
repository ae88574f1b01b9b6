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

var (
	anything values
	boolean  = values{"true", "false"}
	off      = values{"false"}
	calcs    = values(slices.Sorted(maps.Keys(reducers)))
	// reduceOptions say how a panel makes one value of many.
	reduceOptions = map[string]values{
		"reduceOptions.calcs": calcs, "reduceOptions.fields": anything, "reduceOptions.values": boolean, "reduceOptions.limit": anything,
	}
	reduceDefaults = map[string]any{"calcs": []any{"lastNotNull"}, "fields": "", "values": false}
	// legend and tooltip are those of timeseries and piechart.
	legend = map[string]values{
		"legend.displayMode": {"list", "table", "hidden"}, "legend.placement": {"bottom", "right"}, "legend.showLegend": boolean,
		"legend.calcs": calcs, "legend.values": {"value", "percent"}, "legend.width": anything, "legend.sortBy": anything, "legend.sortDesc": boolean,
		"tooltip.mode": {"single", "multi", "none"}, "tooltip.sort": {"none", "asc", "desc"}, "tooltip.maxHeight": anything,
		"tooltip.maxWidth": anything, "tooltip.hideZeros": boolean,
	}
	legendDefaults = map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []any{}}
	// text sizes in pixels of stat and bar gauge; the page chooses its own.
	textSizes = map[string]values{"text.titleSize": anything, "text.valueSize": anything, "text.percentSize": anything}
	// hidden fields are not: they would be in the answer and not on the screen.
	shown = map[string]values{"hideFrom.legend": off, "hideFrom.tooltip": off, "hideFrom.viz": off}
)

var panelTypes = map[string]panelType{
	"timeseries": {
		about:   "Lines, areas, bars or points over time, also stacked.",
		options: with(legend, map[string]values{"timezone": anything}),
		custom: with(shown, map[string]values{
			"drawStyle": {"line", "bars", "points"}, "lineInterpolation": {"linear", "smooth", "stepBefore", "stepAfter"},
			"lineWidth": anything, "fillOpacity": anything, "gradientMode": {"none", "opacity"}, "showPoints": {"auto", "never", "always"},
			"pointSize": anything, "spanNulls": boolean, "insertNulls": off, "barAlignment": {"0", "-1", "1"}, "barWidthFactor": anything,
			"axisPlacement": {"auto", "left"}, "axisLabel": anything, "axisColorMode": {"text"}, "axisBorderShow": off,
			"axisCenteredZero": off, "axisSoftMin": anything, "axisSoftMax": anything, "scaleDistribution.type": {"linear"},
			"stacking.mode": {"none", "normal", "percent"}, "stacking.group": anything, "thresholdsStyle.mode": {"off", "line", "dashed"},
			"lineStyle.fill": {"solid", "dash"}, "lineStyle.dash": anything, "showValues": off,
		}),
		defaults: map[string]any{"legend": legendDefaults, "tooltip": map[string]any{"mode": "single", "sort": "none"}},
	},
	"stat": {
		about: "One value, or a few, in large figures; with a line in the background.",
		options: with(reduceOptions, textSizes, map[string]values{
			"graphMode": {"none", "area", "line"}, "colorMode": {"none", "value", "background", "background_solid"},
			"textMode": {"auto", "value", "value_and_name", "name", "none"}, "justifyMode": {"auto", "center"},
			"orientation": {"auto", "horizontal", "vertical", ""}, "wideLayout": boolean, "showPercentChange": off, "percentChangeColorMode": anything,
		}),
		custom: shown,
		defaults: map[string]any{"graphMode": "area", "colorMode": "value", "textMode": "auto", "justifyMode": "auto",
			"orientation": "auto", "wideLayout": true, "reduceOptions": reduceDefaults},
	},
	"bargauge": {
		about: "One bar a value; with steps that follow each other, a funnel.",
		options: with(reduceOptions, textSizes, map[string]values{
			"orientation": {"auto", "horizontal", "vertical", ""}, "displayMode": {"basic", "gradient", "lcd"}, "valueMode": {"color", "text", "hidden"},
			"namePlacement": {"auto", "left", "top"}, "showUnfilled": boolean, "sizing": {"auto", "manual"}, "minVizHeight": anything,
			"minVizWidth": anything, "maxVizHeight": anything, "legend.showLegend": off, "legend.displayMode": anything,
			"legend.placement": anything, "legend.calcs": anything,
		}),
		custom: shown,
		defaults: map[string]any{"orientation": "auto", "displayMode": "gradient", "valueMode": "color", "namePlacement": "auto",
			"showUnfilled": true, "reduceOptions": reduceDefaults},
	},
	"piechart": {
		about: "Shares of a whole, as a pie or a donut.",
		options: with(reduceOptions, legend, map[string]values{
			"pieType": {"pie", "donut"}, "displayLabels": {"name", "value", "percent"}, "sort": {"none", "asc", "desc"},
		}),
		custom: shown,
		defaults: map[string]any{"pieType": "pie", "displayLabels": []any{}, "sort": "desc", "reduceOptions": reduceDefaults,
			"legend": legendDefaults, "tooltip": map[string]any{"mode": "single", "sort": "none"}},
	},
	"table": {
		about: "Rows and columns.",
		options: map[string]values{
			"showHeader": boolean, "cellHeight": {"sm", "md", "lg"}, "sortBy": anything, "frameIndex": {"0"}, "enablePagination": off,
			"footer.show": off, "footer.reducer": anything, "footer.countRows": anything, "footer.fields": anything,
			"footer.enablePagination": off, "disableKeyboardEvents": boolean,
		},
		custom: with(shown, map[string]values{
			"align": {"auto", "left", "center", "right"}, "cellOptions.type": {"auto", "color-text", "color-background", "gauge"},
			"cellOptions.mode": {"basic", "gradient", "lcd"}, "cellOptions.valueDisplayMode": {"color", "text", "hidden"},
			"cellOptions.applyToRow": off, "cellOptions.wrapText": boolean, "width": anything, "minWidth": anything, "inspect": boolean,
			"filterable": boolean, "hidden": boolean, "wrapText": boolean, "wrapHeaderText": boolean,
		}),
		defaults: map[string]any{"showHeader": true, "cellHeight": "sm"},
	},
	"row": {about: "A heading over the panels below it."},
}

// fieldProperties are the known settings of a field, in defaults or an override.
var fieldProperties = map[string]values{
	"unit": slices.Sorted(maps.Keys(units)), "decimals": anything, "min": anything, "max": anything, "displayName": anything,
	"noValue": anything, "description": anything, "links": {}, "filterable": boolean, "actions": {}, "writeable": anything, "fieldMinMax": off,
	"color.mode": {"fixed", "thresholds", "palette-classic"}, "color.fixedColor": anything, "color.seriesBy": anything,
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
	if v == nil {
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
