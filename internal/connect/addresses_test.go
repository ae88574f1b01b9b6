package connect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"a:1":                                 "[a:1]",
		" a:1, b.c:2 ,,[::1]:3":               "[a:1 b.c:2 [::1]:3]",
		"kafka_1:9092":                        "[kafka_1:9092]",
		"[fe80::1%eth0]:9092":                 "[[fe80::1%eth0]:9092]",
		"":                                    "want at least one host:port, got none",
		",":                                   "want at least one host:port, got none",
		"kafka":                               `want host:port, got "kafka", which has no port`,
		"kafka:":                              `want host:port with a port from 1 to 65535 behind host "kafka", got another text`,
		"kafka:70000":                         `want host:port with a port from 1 to 65535 behind host "kafka", got another text`,
		"kafka:s3cret":                        `want host:port with a port from 1 to 65535 behind host "kafka", got another text`,
		":9092":                               "want host:port, got no name or address of a host in front of the colon",
		"a:b:c":                               "want host:port, got another text",
		"::1":                                 "want an IPv6 address in brackets and a port, such as [::1]:9000",
		"http://h:8123":                       "want host:port, not a URL; user, password and protocol have fields of their own: write h:8123",
		"clickhouse://u:s3cret@h:9000":        "want host:port, not a URL; user, password and protocol have fields of their own: write h:9000",
		"clickhouse://u:s3,cret@h:9000":       "want host:port, not a URL; user, password and protocol have fields of their own: write h:9000",
		"clickhouse://u:s3\"c%ret@h:9000/x?y": "want host:port, not a URL; user, password and protocol have fields of their own",
		"u:s3cret@h:9000":                     "want host:port, not a URL; user, password and protocol have fields of their own",
		"a:1,clickhouse://s3cret@h:9000":      "want host:port, not a URL; user, password and protocol have fields of their own",
		"h:9000/db?password=s3cret":           "want host:port, not a URL; user, password and protocol have fields of their own",
	} {
		list, err := Addresses(in)
		got := fmt.Sprint(list)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("Addresses(%q)\n got %s\nwant %s", in, got, want)
		}
	}
	if got, err := Addresses("a:1,b:2", "c:3"); err != nil || !slices.Equal(got, []string{"a:1", "b:2", "c:3"}) {
		t.Errorf("several entries: got %q, %v", got, err)
	}
}

// FuzzAddresses: an error never repeats what a URL holds in front of its host.
func FuzzAddresses(f *testing.F) {
	f.Add("clickhouse://u:", "h:9000")
	f.Add("", "h:9000")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "S3CR3T"
		if _, err := Addresses(before + secret + "@" + after); err == nil || strings.Contains(err.Error(), secret) && !strings.Contains(after, secret) {
			t.Errorf("Addresses(%q): %v", before+secret+"@"+after, err)
		}
	})
}
