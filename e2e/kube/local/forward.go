// The API server's door: a port on this machine's loopback whose connections continue inside the cage. The listener is
// made outside and handed in, so the machine's network needs no link, no address and no rule.

package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func (c *cluster) ensureForward() error {
	const name = "forward"
	if c.runs(name) {
		return nil
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.facts.APIServerPort))
	if err != nil {
		return fmt.Errorf("the cluster's port is taken: %w", err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	return c.ensure(component{name: name, program: toolInCage, arguments: []string{"forward"}, extra: file})
}

// forward takes connections from a listener that it inherited to the API server inside.
func forward(options, []string) error {
	listener, err := net.FileListener(os.NewFile(extraDescriptor, "listener"))
	if err != nil {
		return err
	}
	for {
		outer, err := listener.Accept()
		if err != nil {
			return err
		}
		go carry(outer)
	}
}

func carry(outer net.Conn) {
	defer outer.Close()
	inner, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", insidePort))
	if err != nil {
		return
	}
	defer inner.Close()
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{outer, inner}, {inner, outer}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			// The other direction may still have something to say.
			if half, ok := pair[0].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			ended <- struct{}{}
		}()
	}
	<-ended
	<-ended
}
