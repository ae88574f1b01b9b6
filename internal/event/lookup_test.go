package event

import "testing"

func TestLookup(t *testing.T) {
	for name, tc := range map[string]struct {
		doc, field, want string
		ok               bool
	}{
		"string":           {`{"event_id":"e","user_id":"user_0042","x":1}`, "user_id", "user_0042", true},
		"spaces":           {" { \"a\" : { \"user_id\" : 1 } ,\n \"user_id\" : \"u\" } ", "user_id", "u", true},
		"number":           {`{"user_id": -12.5e3}`, "user_id", "-12.5e3", true},
		"escapes":          {`{"user_id":"a\"\u00e9\ud83d\ude00\n"}`, "user_id", "a\"é😀\n", true},
		"escaped name":     {`{"user\u005fid":"u"}`, "user_id", "u", true},
		"empty text":       {`{"user_id":""}`, "user_id", "", true},
		"first of two":     {`{"user_id":"a","user_id":"b"}`, "user_id", "a", true},
		"absent":           {`{"a":1}`, "user_id", "", false},
		"null":             {`{"user_id":null}`, "user_id", "", false},
		"boolean":          {`{"user_id":true}`, "user_id", "", false},
		"object":           {`{"user_id":{}}`, "user_id", "", false},
		"array document":   {`["user_id"]`, "user_id", "", false},
		"empty object":     {`{}`, "user_id", "", false},
		"nothing":          {``, "user_id", "", false},
		"truncated":        {`{"user_id":"u`, "user_id", "", false},
		"broken before it": {`{"a":01,"user_id":"u"}`, "user_id", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Lookup([]byte(tc.doc), tc.field)
			if string(got) != tc.want || ok != tc.ok {
				t.Errorf("Lookup(%s, %s)\n got %q, %v\nwant %q, %v", tc.doc, tc.field, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	doc := []byte(`{"event_id":"0193","event_type":"purchase","user_id":"user_0042","price":29.99}`)
	if got := testing.AllocsPerRun(100, func() { Lookup(doc, "user_id") }); got != 0 {
		t.Errorf("allocations per Lookup\n got %v\nwant 0", got)
	}
}
