package pack

import "gopkg.in/yaml.v3"

// Fits reports whether a pipeline, as its YAML says, is one of our inputs followed by
// our outputs with nothing in between that could look at a message: then its batches
// may travel as one message each. Whatever it does not know does not fit.
func Fits(config map[string]any) bool {
	pipeline, _ := plain(config["pipeline"]).(map[string]any)
	return empty(plain(pipeline["processors"])) && !Buffered(config) &&
		fitsInput(plain(config["input"])) && fitsOutput(plain(config["output"]))
}

// Buffered reports whether a pipeline, as its YAML says, has a buffer. One acknowledges
// what no processor or output has seen: an acknowledgement tells nothing of a message's
// fate there, and its memory is still looked at.
func Buffered(config map[string]any) bool {
	buffer := plain(config["buffer"])
	if empty(buffer) {
		return false
	}
	is, _ := buffer.(map[string]any)
	return len(is) == 0 || !only(is, "none")
}

// plain decodes what Benthos keeps as a YAML node: inputs, outputs and buffers.
func plain(value any) any {
	node, ok := value.(*yaml.Node)
	if !ok {
		return value
	}
	var decoded any
	if err := node.Decode(&decoded); err != nil {
		return nil // fits nothing; Benthos will say what is wrong
	}
	return decoded
}

func fitsInput(input any) bool {
	return leaf(input, "kafka", "clickstream_simulator", "clickstream_replay")
}

// fitsOutput wants one output first, so that a pack is written by one at a time. The
// others of a fallback get what it refuses.
func fitsOutput(output any) bool {
	o, _ := output.(map[string]any)
	list, isFallback := o["fallback"].([]any)
	if !isFallback {
		return leaf(output, "kafka", "clickhouse")
	}
	if !only(o, "fallback") || len(list) == 0 || !leaf(list[0], "kafka", "clickhouse") {
		return false
	}
	for _, next := range list[1:] {
		if !fitsLetters(next) {
			return false
		}
	}
	return true
}

// fitsLetters: one output, or several of which each gets everything.
func fitsLetters(output any) bool {
	o, _ := output.(map[string]any)
	broker, isBroker := o["broker"].(map[string]any)
	if !isBroker {
		return leaf(output, "kafka", "clickhouse")
	}
	pattern, named := broker["pattern"]
	outputs, _ := broker["outputs"].([]any)
	if !only(o, "broker") || !empty(broker["batching"]) || named && pattern != "fan_out" {
		return false
	}
	for _, next := range outputs {
		if !leaf(next, "kafka", "clickhouse") {
			return false
		}
	}
	return len(outputs) > 0
}

// leaf reports whether a component is one of names, without processors.
func leaf(component any, names ...string) bool {
	c, _ := component.(map[string]any)
	for _, name := range names {
		if _, is := c[name]; is && only(c, name) {
			return true
		}
	}
	return false
}

// only reports whether a component says nothing besides name that matters here.
func only(component map[string]any, name string) bool {
	for key, value := range component {
		switch key {
		case name, "label":
		case "processors":
			if !empty(value) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
