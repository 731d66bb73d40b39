// Builds the programs of a cluster from their Go modules, each again only when its sources changed.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// built is one program that is made from sources of this folder.
type built struct {
	name string
	// The Go package and the folder of its module, both below e2e/kube.
	module  string
	target  string
	sources []string
	// Other names under which the program is called.
	links []string
}

var targets = []built{
	{
		name: "kube", module: ".", target: ".", sources: []string{"main.go", "volumes", "go.mod", "go.sum"},
		links: []string{
			"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy", "volumes",
		},
	},
	{name: "coredns", module: "dns", target: ".", sources: []string{"dns"}},
	{name: "pause", module: ".", target: "./pause", sources: []string{"pause", "go.mod"}},
}

// build makes what is missing or changed; `whole` adds what only the node level needs.
func build(whole bool) error {
	begun := time.Now()
	if whole {
		if err := installPackages(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(binFolder(), 0o755); err != nil {
		return err
	}
	for _, target := range targets {
		if !whole && target.name != "kube" {
			continue
		}
		if err := target.make(); err != nil {
			return fmt.Errorf("build %s: %w", target.name, err)
		}
	}
	fmt.Printf("    programs are in %s after %.1f s\n", binFolder(), time.Since(begun).Seconds())
	return nil
}

func (b built) make() error {
	sources := os.Getenv("CONFMAN_KUBE_SOURCES")
	hash, err := b.hash(sources)
	if err != nil {
		return err
	}
	if b.isCurrent(hash) {
		return nil
	}
	held, err := lock(".build-" + b.name)
	if err != nil {
		return err
	}
	defer held.Close()
	if b.isCurrent(hash) {
		return nil
	}
	fmt.Printf("    building %s; from nothing the largest takes 5 minutes on two cores\n", b.name)
	flags := "-s -w"
	if b.name == "kube" {
		version, err := kubernetesVersion(filepath.Join(sources, "go.mod"))
		if err != nil {
			return err
		}
		const at = "k8s.io/component-base/version"
		major, minor, _ := strings.Cut(version, ".")
		minor, _, _ = strings.Cut(minor, ".")
		flags += fmt.Sprintf(" -X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s", at, version, at, major, at, minor)
	}
	// A running cluster keeps the program that it started with: the new one gets the name only when it is whole.
	fresh := filepath.Join(binFolder(), "."+b.name+".new")
	command := exec.Command("go", "build", "-trimpath", "-ldflags", flags, "-o", fresh, b.target)
	command.Dir = filepath.Join(sources, b.module)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// The compiler goes on when this call is killed. Until then nobody else may write the same file.
	command.ExtraFiles = []*os.File{held}
	if err := command.Run(); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(binFolder(), b.name)); err != nil {
		return err
	}
	for _, link := range b.links {
		path := filepath.Join(binFolder(), link)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(b.name, path); err != nil {
			return err
		}
	}
	return writeWhole(b.hashFile(), []byte(hash), 0o644)
}

func (b built) hashFile() string { return filepath.Join(binFolder(), b.name+".sources") }

func (b built) isCurrent(hash string) bool {
	recorded, err := os.ReadFile(b.hashFile())
	if err != nil || string(recorded) != hash {
		return false
	}
	for _, name := range append([]string{b.name}, b.links...) {
		if _, err := os.Stat(filepath.Join(binFolder(), name)); err != nil {
			return false
		}
	}
	return true
}

// hash covers the sources that make the program what it is.
func (b built) hash(sources string) (string, error) {
	sum := sha256.New()
	for _, source := range b.sources {
		err := filepath.WalkDir(filepath.Join(sources, source), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			fmt.Fprintf(sum, "%s %d\n", filepath.Base(path), len(content))
			sum.Write(content)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

var requiredVersion = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes v(\S+)$`)

func kubernetesVersion(module string) (string, error) {
	text, err := os.ReadFile(module)
	if err != nil {
		return "", err
	}
	found := requiredVersion.FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s does not name the version of k8s.io/kubernetes", module)
	}
	return string(found[1]), nil
}
