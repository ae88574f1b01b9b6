// Package connect is how this project reaches Kafka and ClickHouse.
package connect

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Addresses returns the host:port of each entry; an entry may hold several, divided by
// commas. Its error says what to write instead, and repeats nothing that may be a
// password: people write URLs, with their login in them.
func Addresses(entries ...string) ([]string, error) {
	list := strings.Join(entries, ",")
	if strings.Contains(list, "://") || strings.ContainsAny(list, "@/?") {
		return nil, notURL(list)
	}
	var all []string
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if err := check(entry); err != nil {
			return nil, err
		}
		all = append(all, entry)
	}
	if len(all) == 0 {
		return nil, errors.New("want at least one host:port, got none")
	}
	return all, nil
}

func check(entry string) error {
	if ip, err := netip.ParseAddr(entry); err == nil && ip.Is6() {
		return fmt.Errorf("want an IPv6 address in brackets and a port, such as [%s]:9000", ip)
	}
	host, port, err := net.SplitHostPort(entry)
	switch n, errPort := strconv.Atoi(port); {
	case err != nil && hostname.MatchString(entry):
		return fmt.Errorf("want host:port, got %q, which has no port", entry)
	case err != nil:
		return errors.New("want host:port, got another text")
	case !hostname.MatchString(host) && !isIP(host):
		return fmt.Errorf("want host:port, got no name or address of a host in front of the colon")
	case errPort != nil || n < 1 || n > 65535:
		return fmt.Errorf("want host:port with a port from 1 to 65535 behind host %q, got another text", host)
	}
	return nil
}

// hostname is what resolvers take, with the underscores that containers have.
var hostname = regexp.MustCompile(`^[\pL\pN_](?:[\pL\pN_.-]*[\pL\pN_.])?$`)

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// notURL refuses a list that has a URL in it, with what its host is if that is clear.
func notURL(list string) error {
	advice := "want host:port, not a URL; user, password and protocol have fields of their own"
	u, err := url.Parse(strings.TrimSpace(list))
	if err != nil || u.Host == "" || check(u.Host) != nil {
		return errors.New(advice)
	}
	return fmt.Errorf("%s: write %s", advice, u.Host)
}
