// Where builds and clusters live, and the lock that lets one caller at a time change a cluster.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

type level string

const (
	control level = "control"
	node    level = "node"
)

// cluster is one cluster's folder and what is remembered in it.
type cluster struct {
	name   string
	folder string
	facts  facts
	// Held by a call that changes the cluster.
	lock *os.File
}

// facts are chosen once, when the cluster is made.
type facts struct {
	Level level `json:"level"`
	// On the loopback of this machine.
	APIServerPort int `json:"apiServerPort"`
	EtcdPort      int `json:"etcdPort,omitempty"`
	EtcdPeerPort  int `json:"etcdPeerPort,omitempty"`
}

// home is the folder of everything that is built or started here.
func home() string {
	return filepath.Join(os.Getenv("HOME"), ".cache", "confman", "kube")
}

func binFolder() string { return filepath.Join(home(), "bin") }

func clustersFolder() string { return filepath.Join(home(), "clusters") }

func (c *cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.folder}, parts...)...)
}

// factsFile is written first and removed first: a folder without it is no cluster, but what is left of one.
func (c *cluster) factsFile() string { return c.path("facts.json") }

func (c *cluster) kubeconfig() string { return c.path("kubeconfig") }

func (c *cluster) logFile(component string) string { return c.path("logs", component+".log") }

// known reads a cluster's folder; its error is fs.ErrNotExist when there is no such cluster.
func known(name string) (*cluster, error) {
	c := &cluster{name: name, folder: filepath.Join(clustersFolder(), name)}
	text, err := os.ReadFile(c.factsFile())
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c.facts); err != nil {
		return c, fmt.Errorf("read %s: %w", c.factsFile(), err)
	}
	return c, nil
}

// existing is known, with an error for people.
func existing(name string) (*cluster, error) {
	c, err := known(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(c.folder); err == nil {
			return c, fmt.Errorf("cluster %q was removed in part; run: cluster down --name %s", name, name)
		}
		return c, fmt.Errorf("there is no cluster %q; start it with: cluster up --name %s --level control|node", name, name)
	}
	return c, err
}

func knownNames() ([]string, error) {
	entries, err := os.ReadDir(clustersFolder())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

func (c *cluster) writeFacts() error {
	text, err := json.MarshalIndent(c.facts, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(c.factsFile(), text, 0o600)
}

// writeWhole replaces a file so that a reader sees the old one or the new one, never a part.
func writeWhole(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	made, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(made.Name())
	if _, err := made.Write(content); err != nil {
		return errors.Join(err, made.Close())
	}
	if err := errors.Join(made.Chmod(mode), made.Close()); err != nil {
		return err
	}
	return os.Rename(made.Name(), path)
}

// lock waits until nobody else holds the lock of this name. Programs started meanwhile inherit it only where it is handed on.
func lock(name string) (*os.File, error) {
	path := lockFile(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			fmt.Printf("    waiting for another call that works on %s\n", name)
			if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
				return nil, errors.Join(err, file.Close())
			}
		}
		// `down` removes the file while it holds the lock: then this one locks nothing, and the next file does.
		locked, lockedErr := file.Stat()
		current, currentErr := os.Stat(path)
		if lockedErr == nil && currentErr == nil && os.SameFile(locked, current) {
			return file, nil
		}
		file.Close()
	}
}

func lockFile(name string) string { return filepath.Join(home(), "locks", name) }
