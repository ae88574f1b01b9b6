package clickhouse

import (
	"fmt"
	"strconv"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// texts are the limits of a field as the YAML has them.
type texts struct {
	min, max string
	maxBytes int // of a text; 0: any length
}

func (c *config) parseLimits(pc *service.ParsedConfig) error {
	fields, err := pc.FieldObjectMap("limits")
	if err != nil {
		return err
	}
	c.limits = make(map[string]texts, len(fields))
	for field, object := range fields {
		if c.limits[field], err = limitsOf(object); err != nil {
			return fmt.Errorf("limits: %s: %w", field, err)
		}
	}
	return nil
}

// limitsOf reads one field's limits: of a number or time, or of a text's length.
func limitsOf(object *service.ParsedConfig) (l texts, err error) {
	if l.min, err = scalar(object, "min"); err != nil {
		return l, err
	}
	if l.max, err = scalar(object, "max"); err != nil {
		return l, err
	}
	ordered := l.min != "" || l.max != ""
	if !object.Contains("max_bytes") {
		if !ordered {
			err = fmt.Errorf("want min, max or both, or max_bytes")
		}
		return l, err
	}
	if l.maxBytes, err = object.FieldInt("max_bytes"); err != nil {
		return l, err
	}
	switch {
	case l.maxBytes < 1:
		err = fmt.Errorf("max_bytes: want 1 or more, got %d", l.maxBytes)
	case ordered:
		err = fmt.Errorf("want min and max, or max_bytes: a field is a number, a time or a text")
	}
	return l, err
}

// scalar reads a number or a text; its column's type decides later what it means.
func scalar(pc *service.ParsedConfig, name string) (string, error) {
	if !pc.Contains(name) {
		return "", nil
	}
	v, err := pc.FieldAny(name)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case int, int64, uint64:
		return fmt.Sprint(v), nil
	}
	return "", fmt.Errorf("%s: want a number or a text", name)
}
