// The API server as this tool asks it: plain reads as the admin, and kubectl for what has to be applied.

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

type client struct {
	server string
	http   http.Client
}

func (c *cluster) client() (*client, error) {
	configuration, err := c.clientTLS()
	if err != nil {
		return nil, err
	}
	// Without Proxy: the machine's proxy has no business with its loopback.
	transport := &http.Transport{TLSClientConfig: configuration, DisableKeepAlives: true}
	server := fmt.Sprintf("https://127.0.0.1:%d", c.facts.APIServerPort)
	return &client{server: server, http: http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

func (c *client) get(path string) (string, error) {
	answer, err := c.http.Get(c.server + path)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(answer.Body)
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", path, answer.Status)
	}
	return string(body), err
}

// expect fails unless the answer holds the text.
func (c *client) expect(path, text string) error {
	body, err := c.get(path)
	if err == nil && !strings.Contains(body, text) {
		err = fmt.Errorf("%s does not say %s yet", path, text)
	}
	return err
}

func (c *cluster) apply(manifest string) error {
	// Not the inner place: kubectl runs outside.
	kubectl := place{bin: binFolder()}.program(c.facts.Level, "kubectl")
	command := exec.Command(kubectl, "--kubeconfig", c.kubeconfig(), "apply", "-f", "-")
	command.Env = c.environment()
	command.Stdin = strings.NewReader(manifest)
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("apply the cluster's own objects: %w\n%s", err, output)
	}
	return nil
}
