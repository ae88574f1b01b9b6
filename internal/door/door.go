// Package door decides whom the HTTP doors of this project answer: programs, and the
// pages that a door itself has served, but no page of anybody else. The servers need no
// password on one machine, so a browser that shows some site must not be the user.
package door

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Guard lets only those requests reach next that Refusal has nothing against, and
// answers the others with 403. Hosts are names that clients may use for this machine
// besides localhost and the loopback addresses, such as a container's.
func Guard(next http.Handler, hosts ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if why := Refusal(r, hosts...); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Open is Guard for a server that listens beyond this machine, where others reach it by
// names that are not known here. Only a browser can be brought to ask under a name that
// is not the server's (DNS rebinding), so a program may use any. A browser may use an
// address, or a name without a dot, which no stranger's site has; over plain HTTP it does
// not say there which page asks, and may read.
func Open(next http.Handler, hosts ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known, name := hosts, hostname(r.Host)
		if !fromBrowser(r.Header) || !strings.Contains(name, ".") || net.ParseIP(name) != nil {
			known = append(slices.Clone(hosts), name)
		}
		if ours(r.Host, known) && silent(r.Header) && reads(r) {
			next.ServeHTTP(w, r)
			return
		}
		Guard(next, known...).ServeHTTP(w, r)
	})
}

// silent tells whether a request says nothing of the page that made it.
func silent(h http.Header) bool {
	return len(h.Values("Origin")) == 0 && len(h.Values("Sec-Fetch-Site")) == 0
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// Refusal says why a request must not be answered, "" if it may be: it looks at what
// the browser says of a request, which no page can forge, and believes nothing else.
func Refusal(r *http.Request, hosts ...string) string {
	if r.Host != "" && !ours(r.Host, hosts) { // HTTP/1.0 names none
		return "this server answers to localhost and loopback addresses only, as the host in the address"
	}
	origin, hasOrigin := only(r.Header, "Origin")
	if hasOrigin && !sameOrigin(origin, r.Host) {
		return "a page of another site or port may not ask this server"
	}
	switch site, ok := only(r.Header, "Sec-Fetch-Site"); {
	case !ok && !hasOrigin && (fromBrowser(r.Header) || foreign(r.Header.Get("Referer"), r.Host)):
		return "this browser does not say which page asks (no Sec-Fetch-Site): use one of 2023 or later, or a program such as curl"
	case !ok, site == "same-origin":
		return ""
	case site == "none" && reads(r): // typed by a person
		return ""
	}
	return "a page of another site or port may not ask this server, nor send its visitors here: type the address into the address bar"
}

// only returns a header that must not come twice: two values are joined to one that
// nothing accepts.
func only(h http.Header, name string) (value string, ok bool) {
	values := h.Values(name)
	return strings.Join(values, ","), len(values) > 0
}

// ours tells whether a Host header names this machine, on any port, since tunnels
// change it.
func ours(host string, hosts []string) bool {
	if Loopback(host) {
		return true
	}
	name := hostname(host)
	return slices.ContainsFunc(hosts, func(own string) bool { return strings.EqualFold(own, name) })
}

// Loopback tells whether a host, with or without a port, is localhost or a loopback
// address.
func Loopback(host string) bool {
	name := strings.ToLower(hostname(host))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}

// sameOrigin tells whether a page of the origin was served under host: another port of
// this machine is another program, and foreign.
func sameOrigin(origin, host string) bool {
	page, err := url.Parse(origin)
	return err == nil && host != "" && (page.Scheme == "http" || page.Scheme == "https") && strings.EqualFold(page.Host, host)
}

// foreign tells whether a page of somebody else has sent a request here.
func foreign(referer, host string) bool { return referer != "" && !sameOrigin(referer, host) }

// fromBrowser tells whether a browser has sent a request. Not marks are Accept, which
// Java's client fills with text/html, Sec-Fetch-Mode, which Node's fetch sends, and
// Referer, which Go's client sends when it follows us.
func fromBrowser(h http.Header) bool {
	for _, name := range []string{
		"Upgrade-Insecure-Requests", "Sec-Fetch-Dest", "Sec-Fetch-User", "Sec-Purpose", "Purpose",
		"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Gpc", "Dnt",
		"Access-Control-Request-Method", "Access-Control-Request-Headers", "Access-Control-Request-Private-Network",
	} {
		if h.Get(name) != "" {
			return true
		}
	}
	agent := h.Get("User-Agent")
	return strings.HasPrefix(agent, "Mozilla/") || strings.HasPrefix(agent, "Opera/")
}
