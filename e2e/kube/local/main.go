// local-cluster starts and stops Kubernetes clusters on this machine, without Docker.
// People call it through the script e2e/kube/cluster.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

const usage = `A local Kubernetes for tests and the demo, without Docker.

  cluster build                                  build what is missing or changed
  cluster up --name NAME --level control|node    start it, or what is missing of it
  cluster down --name NAME                       remove it with everything that it left on this machine
  cluster status [--name NAME]                   what runs
  cluster load --name NAME IMAGE.tar             let the pods use an image
  cluster logs --name NAME [COMPONENT]           the end of a component's log, or the list of logs
  cluster kubeconfig --name NAME                 the path of the kubeconfig
  cluster leftovers --name NAME                  list what is left on this machine; fails when something is
  image program REFERENCE PROGRAM OUT.tar        write an image that holds one program and what it links to
`

// A command and how many words follow its flags.
type command struct {
	run       func(options, []string) error
	fewest    int
	most      int
	needsName bool
}

type options struct {
	name  string
	level level
}

func commands() map[string]command {
	return map[string]command{
		"build":      {run: func(options, []string) error { return build(true) }},
		"up":         {run: up, needsName: true},
		"down":       {run: down, needsName: true},
		"status":     {run: status},
		"load":       {run: load, needsName: true, fewest: 1, most: 1},
		"logs":       {run: logs, needsName: true, most: 1},
		"kubeconfig": {run: printKubeconfig, needsName: true},
		"leftovers":  {run: leftovers, needsName: true},
		"image":      {run: image, fewest: 4, most: 4},
		// Called by local-cluster itself, inside a cluster's namespaces.
		"cage":      {run: cage, fewest: 2, most: 2},
		"spawn":     {run: spawnInCage, fewest: 2, most: 1000},
		"gated":     {run: gated, fewest: 3, most: 1000},
		"forward":   {run: forward},
		"probe-dns": {run: probeDNS, fewest: 2, most: 2},
	}
}

func main() {
	if err := runCommand(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func runCommand(arguments []string) error {
	if len(arguments) == 0 || arguments[0] == "help" || arguments[0] == "--help" {
		fmt.Print(usage)
		return nil
	}
	name := arguments[0]
	chosen, known := commands()[name]
	if !known {
		return fmt.Errorf("unknown command %q\n\n%s", name, usage)
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	var given options
	flags.StringVar(&given.name, "name", "", "name of the cluster")
	levelName := flags.String("level", string(control), "control or node")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	given.level = level(*levelName)
	if given.level != control && given.level != node {
		return fmt.Errorf("--level is %q; it must be control or node", *levelName)
	}
	if chosen.needsName || given.name != "" {
		if err := checkName(given.name); err != nil {
			return err
		}
	}
	if words := flags.NArg(); words < chosen.fewest || words > chosen.most {
		return fmt.Errorf("%s takes %d to %d words, got %q\n\n%s", name, chosen.fewest, chosen.most, strings.Join(flags.Args(), " "), usage)
	}
	return chosen.run(given, flags.Args())
}

// checkName keeps names usable as a folder, a cgroup and a certificate's name.
func checkName(name string) error {
	if name == "" {
		return errors.New("--name is missing")
	}
	if len(name) > 40 {
		return fmt.Errorf("--name has %d characters, the limit is 40", len(name))
	}
	for position, character := range name {
		fine := character >= 'a' && character <= 'z' || character >= '0' && character <= '9' || character == '-' && position > 0
		if !fine {
			return fmt.Errorf("--name is %q; it may hold a-z, 0-9 and, not as the first character, -", name)
		}
	}
	return nil
}
