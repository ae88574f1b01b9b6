package broker

import "net"

// answer is what a client is sent, once its round has flushed.
type answer struct {
	bytes []byte
	after *flush // nil: at once
}

// maxHeld is how many answers of a connection wait at most; then kfake does.
const maxHeld = 64

// hold queues an answer behind those that wait for the disk, for a client expects
// them in order. kfake goes on with the next request meanwhile.
func (g *guardConn) hold(p []byte, wrote []written) error {
	if g.held == nil {
		g.held = make(chan answer, maxHeld)
		go g.release()
	}
	one := answer{bytes: append([]byte(nil), p...)}
	if len(wrote) > 0 {
		one.after = g.door.disk.join(wrote)
	}
	select {
	case g.held <- one:
		return nil
	case <-g.closed:
		return net.ErrClosed
	}
}

// release sends the answers that are held. A flush that failed ends the connection:
// the producer must not take its records for stored, and asks again.
func (g *guardConn) release() {
	for {
		var one answer
		select {
		case one = <-g.held:
		case <-g.closed:
			return
		}
		if one.after != nil {
			select {
			case <-one.after.done:
			case <-g.closed:
				return
			}
			if one.after.err != nil {
				_ = g.Close()
				return
			}
		}
		if _, err := g.Conn.Write(one.bytes); err != nil {
			_ = g.Close()
			return
		}
	}
}
