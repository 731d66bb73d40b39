// Where there are no namespaces there is no node level; `up` says so before it comes here.

//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
)

const (
	linkName        = "confman-node"
	pluginNetwork   = "confman-pods"
	snapshotterFile = ""
)

var errNeedsLinux = errors.New("the node level runs on Linux only")

func (c *cluster) ensureCage() error { return errNeedsLinux }

func (c *cluster) enter(...string) *exec.Cmd { return exec.Command("false") }

func (c *cluster) startInCage(string, []string, []*os.File) (int, error) { return 0, errNeedsLinux }

func spawnInCage(options, []string) error { return errNeedsLinux }

func cage(options, []string) error { return errNeedsLinux }
