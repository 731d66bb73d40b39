// Looking at a cluster: what runs, logs, the kubeconfig.

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func status(given options, _ []string) error {
	names := []string{given.name}
	if given.name == "" {
		var err error
		if names, err = knownNames(); err != nil {
			return err
		}
		if len(names) == 0 {
			fmt.Println("no cluster is up")
		}
	}
	var failed error
	for _, name := range names {
		c, err := existing(name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		fmt.Printf("%s: level %s, API server https://127.0.0.1:%d, kubeconfig %s\n", name, c.facts.Level, c.facts.APIServerPort, c.kubeconfig())
		recorded := c.recorded()
		for _, component := range sortedNames(recorded) {
			state := "ended; see its log"
			if recorded[component].alive() {
				state = "runs"
			}
			fmt.Printf("  %-24s process %-8d %s\n", component, recorded[component].ID, state)
		}
	}
	return failed
}

func sortedNames(recorded map[string]process) []string {
	var names []string
	for name := range recorded {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func logs(given options, words []string) error {
	c, err := existing(given.name)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(c.path("logs", "*.log"))
	if err != nil {
		return err
	}
	if len(words) == 0 {
		for _, file := range files {
			fmt.Println(file)
		}
		return nil
	}
	path := c.logFile(filepath.Base(words[0]))
	if _, err := os.Stat(path); err != nil {
		var names []string
		for _, file := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(file), ".log"))
		}
		return fmt.Errorf("no component %q has a log; these have: %s", words[0], strings.Join(names, ", "))
	}
	fmt.Print(tail(path, 200))
	return nil
}

func printKubeconfig(given options, _ []string) error {
	c, err := existing(given.name)
	if err != nil {
		return err
	}
	fmt.Println(c.kubeconfig())
	return nil
}
