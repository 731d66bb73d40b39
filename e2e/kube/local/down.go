// Removing a cluster, and proving that nothing of it is left.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func down(given options, _ []string) error {
	held, err := lock(given.name)
	if err != nil {
		return err
	}
	defer held.Close()
	// While the lock is held, as lock() expects.
	defer os.Remove(lockFile(given.name))
	c := &cluster{name: given.name, folder: filepath.Join(clustersFolder(), given.name)}
	_, missing := os.Stat(c.folder)
	if err := c.remove(); err != nil {
		return err
	}
	if errors.Is(missing, fs.ErrNotExist) {
		fmt.Printf("    there is no folder of a cluster %s, and nothing of it runs\n", c.name)
		return nil
	}
	fmt.Printf("    cluster %s is removed\n", c.name)
	return nil
}

// remove is done at once for others, since it begins with the facts. Where it is interrupted, the next call finishes it.
func (c *cluster) remove() error {
	if err := os.Remove(c.factsFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := c.endAll(); err != nil {
		return err
	}
	return os.RemoveAll(c.folder)
}

// endAll ends whatever runs or is held, recorded or not: the folder may be gone.
func (c *cluster) endAll() error {
	const patience, pause = 60 * time.Second, 50 * time.Millisecond
	deadline := time.Now().Add(patience)
	for {
		left := c.end()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not gone within %d s:\n  %s", int(patience.Seconds()), strings.Join(left, "\n  "))
		}
		time.Sleep(pause)
	}
}

// end asks everything that runs or is held to end, and tells what is not gone yet.
func (c *cluster) end() []string {
	thawCgroups(c.name)
	var left []string
	for name, found := range c.recorded() {
		if found.alive() {
			// Nothing in the folder is kept, so nothing has to be closed in order. The end of the cage's first
			// process ends every other process in it, containers too, and with the last one go mounts and links.
			_ = syscall.Kill(found.ID, syscall.SIGKILL)
			left = append(left, fmt.Sprintf("process %d (%s)", found.ID, name))
		}
	}
	if len(left) > 0 {
		return left
	}
	for _, id := range c.unrecorded() {
		_ = syscall.Kill(id, syscall.SIGKILL)
		left = append(left, fmt.Sprintf("process %d (%s)", id, commandOf(id)))
	}
	if len(left) == 0 {
		left = removeCgroups(c.name)
	}
	return left
}

// unrecorded finds processes that carry the cluster's mark or live in its cgroups.
func (c *cluster) unrecorded() []int {
	var found []int
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil || id == os.Getpid() {
			continue
		}
		if _, alive := startOf(id); !alive {
			continue
		}
		environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id))
		cgroups, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", id))
		marked := strings.Contains("\x00"+string(environment), "\x00"+clusterVariable+"="+c.folder+"\x00")
		held := strings.Contains(string(cgroups)+"\n", cgroupName(c.name)+"\n") || strings.Contains(string(cgroups), cgroupName(c.name)+"/")
		if marked || held {
			found = append(found, id)
		}
	}
	return found
}

func commandOf(id int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
	program, _, _ := strings.Cut(string(line), "\x00")
	return filepath.Base(program)
}

// leftovers lists what a cluster holds on this machine; nothing, once it is down.
func leftovers(given options, _ []string) error {
	c := &cluster{name: given.name, folder: filepath.Join(clustersFolder(), given.name)}
	var found []string
	var listed []int
	for name, process := range c.recorded() {
		if process.alive() {
			listed = append(listed, process.ID)
			found = append(found, fmt.Sprintf("process %d (%s)", process.ID, name))
		}
	}
	for _, id := range c.unrecorded() {
		if slices.Contains(listed, id) {
			continue
		}
		found = append(found, fmt.Sprintf("process %d (%s)", id, commandOf(id)))
	}
	for _, path := range []string{c.folder, lockFile(c.name)} {
		if _, err := os.Lstat(path); err == nil {
			found = append(found, "file "+path)
		}
	}
	mounts, _ := os.ReadFile("/proc/mounts")
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1]+"/", c.folder+"/") {
			found = append(found, "mount "+fields[1])
		}
	}
	for _, folder := range cgroupFolders(c.name) {
		if _, err := os.Stat(folder); err == nil {
			found = append(found, "cgroup "+folder)
		}
	}
	found = append(found, c.networkLeftovers()...)
	if len(found) == 0 {
		fmt.Printf("    nothing is left of cluster %s\n", c.name)
		return nil
	}
	sort.Strings(found)
	return fmt.Errorf("cluster %s still holds:\n  %s", c.name, strings.Join(found, "\n  "))
}

// networkLeftovers looks where a Kubernetes without a network namespace of its own would leave something. Ours never
// touches the machine's network; a Kubernetes that runs there beside ours is not our business.
func (c *cluster) networkLeftovers() []string {
	if foreignKubernetes() {
		return nil
	}
	var found []string
	interfaces, _ := os.ReadDir("/sys/class/net")
	for _, link := range interfaces {
		if name := link.Name(); name == linkName || name == "cni0" {
			found = append(found, "link "+name)
		}
	}
	namespaces, _ := filepath.Glob("/run/netns/cni-*")
	leases, _ := filepath.Glob("/var/lib/cni/networks/" + pluginNetwork + "/*")
	for _, path := range append(namespaces, leases...) {
		found = append(found, "file "+path)
	}
	command := exec.Command("iptables-save")
	command.Env = c.environment()
	rules, _ := command.Output()
	for _, line := range strings.Split(string(rules), "\n") {
		if strings.Contains(line, "KUBE-") || strings.Contains(line, "CNI-") {
			found = append(found, "iptables rule "+line)
		}
	}
	return found
}

// foreignKubernetes is true where a kubelet works in the machine's own network.
func foreignKubernetes() bool {
	own, _ := os.Readlink("/proc/self/ns/net")
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil || commandOf(id) != "kubelet" {
			continue
		}
		if other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", id)); err == nil && other == own {
			return true
		}
	}
	return false
}
