package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"clickstream/internal/process"
)

// Limits of one connection. There are no request bodies, so reading a header is all
// the reading there is; what sends events sets its own deadlines.
const (
	headerTimeout  = 5 * time.Second
	replyTimeout   = 30 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 64 << 10
	stopTimeout    = 2 * time.Second
)

// readyLine is what Serve prints, for people and for who starts it.
const readyLine = "page ready: http://%s\n"

// Serve serves the page on a loopback address until ctx ends, and prints one line to
// out when it answers:
//
//	page ready: http://127.0.0.1:3000
func Serve(ctx context.Context, listen string, c Config, out io.Writer) error {
	if c.Folder != "" {
		if _, err := os.ReadDir(c.Folder); err != nil {
			return fmt.Errorf("folder of dashboards: %w", err)
		}
	}
	l, err := listenLoopback(listen)
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := New(ctx, c)
	if err != nil {
		return err
	}
	handler, err := s.Handler()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, WriteTimeout: replyTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Fprintf(out, readyLine, l.Addr())
	select {
	case err := <-failed:
		return fmt.Errorf("serve the page: %w", err)
	case <-ctx.Done():
	}
	grace, end := context.WithTimeout(context.Background(), stopTimeout)
	defer end()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // a viewer that reads nothing; its connection is all that is lost
	}
	return nil
}

// listenLoopback opens an address that only this machine reaches: whoever reads the
// page reads the shop's figures, and it asks for no password.
func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want host:port: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %q: want a loopback address such as 127.0.0.1: the page has neither passwords nor encryption; "+
			"for others use Grafana, or a proxy of your own in front", address)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by %s: stop it, or choose another with --listen", address, process.PortHolder(address))
	}
	return l, err
}
