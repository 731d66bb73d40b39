// The cage of the node level: namespaces of its own for processes, mounts, network, host name and IPC. Whatever the
// cluster mounts, links or routes is seen only in there, and is gone when the cage's first process ends.

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	linkName      = "confman-node"
	cableEnd      = "confman-end"
	pluginNetwork = "confman-pods"
	cageIsReady   = "ready"
)

// sysctls are those that kubelet sets for the whole machine. In the cage they are files.
var sysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// ensureCage starts the cage's first process and waits until the cage is furnished.
func (c *cluster) ensureCage() error {
	tool, err := os.Executable()
	if err != nil {
		return err
	}
	// The tool is replaced when its sources change. The cage keeps the one that it runs, and is called with this one.
	content, err := os.ReadFile(tool)
	if err != nil {
		return err
	}
	if err := writeWhole(c.path("local-cluster"), content, 0o755); err != nil {
		return err
	}
	if c.runs(cageName) {
		return nil
	}
	fmt.Printf("    starting %s\n", cageName)
	// What an earlier cage left behind: kubelet would take it for containers and look for them in vain.
	if err := c.endAll(); err != nil {
		return err
	}
	c.forgetTheDead()
	if err := makeCgroups(c.name); err != nil {
		return err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	command := exec.Command(c.path("local-cluster"), "cage", c.folder, binFolder())
	command.ExtraFiles = []*os.File{writer}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	log, err := c.detached(cageName, command)
	if err != nil {
		return errors.Join(err, writer.Close())
	}
	defer log.Close()
	err = errors.Join(command.Start(), writer.Close())
	if err != nil {
		return fmt.Errorf("make namespaces (in a container: it has to be a privileged one): %w", err)
	}
	if line, err := bufio.NewReader(reader).ReadString('\n'); strings.TrimSpace(line) != cageIsReady {
		return c.failed(fmt.Sprintf("the cage was not furnished (%v)", err), cageName)
	}
	// Not before: a recorded cage is a furnished one.
	return c.record(cageName, command.Process.Pid)
}

// enter prepares a command of this tool that runs inside.
func (c *cluster) enter(arguments ...string) *exec.Cmd {
	target := strconv.Itoa(c.recorded()[cageName].ID)
	inside := append([]string{"--target", target, "--mount", "--net", "--ipc", "--uts", "--pid", "--"}, arguments...)
	command := exec.Command("nsenter", inside...)
	command.Env = c.environment()
	return command
}

// startInCage lets a short-lived process inside call this tool: the called one becomes a child of the cage's first process.
func (c *cluster) startInCage(name string, words []string, inherited []*os.File) (int, error) {
	log := c.place().in("logs", name+".log")
	command := c.enter(append([]string{toolInCage, "spawn", "--", log}, words...)...)
	command.ExtraFiles = inherited
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return 0, err
	}
	return c.outerID(strings.TrimSpace(string(output)))
}

// outerID finds the machine's id of a process by its id inside.
func (c *cluster) outerID(inner string) (int, error) {
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.recorded()[cageName].ID))
	if err != nil {
		return 0, fmt.Errorf("the cage is gone: %w", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", id)); err != nil || theirs != own {
			continue
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
		for _, line := range strings.Split(string(text), "\n") {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "NSpid:" && fields[len(fields)-1] == inner {
				return id, nil
			}
		}
	}
	return 0, fmt.Errorf("no process inside has the id %s", inner)
}

// spawnInCage calls this tool, prints the id of its process and ends. What it inherited goes on by itself: LOG WORDS...
func spawnInCage(_ options, words []string) error {
	if err := os.MkdirAll(filepath.Dir(words[0]), 0o755); err != nil {
		return err
	}
	log, err := os.Create(words[0])
	if err != nil {
		return err
	}
	command := exec.Command(toolInCage, words[1:]...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return err
	}
	fmt.Println(command.Process.Pid)
	return nil
}

// cage is the first process inside: it furnishes the namespaces, then reaps whatever ends. FOLDER BIN
func cage(_ options, words []string) error {
	ready := os.NewFile(3, "ready")
	if err := furnish(words[0], words[1]); err != nil {
		return err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if _, err := fmt.Fprintln(ready, cageIsReady); err != nil {
		return err
	}
	if err := ready.Close(); err != nil {
		return err
	}
	for {
		for {
			if id, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || id <= 0 {
				break
			}
		}
		<-signals
	}
}

func furnish(folder, bin string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to the cage: %w", err)
	}
	// A fresh /run, so that sockets, leases and network namespaces of the pods are nobody else's.
	run := filepath.Join(folder, "run")
	if err := errors.Join(os.MkdirAll(run, 0o755), mount("tmpfs", run, "tmpfs", 0, "mode=755")); err != nil {
		return err
	}
	for source, name := range map[string]string{folder: "cluster", bin: "bin"} {
		target := filepath.Join(run, name)
		if err := errors.Join(os.Mkdir(target, 0o755), mount(source, target, "", syscall.MS_BIND, "")); err != nil {
			return err
		}
	}
	if err := mount(run, "/run", "", syscall.MS_MOVE, ""); err != nil {
		return err
	}
	// Folders that programs write to under fixed names.
	for _, path := range []string{"/var/lib", "/var/log", "/tmp"} {
		own := filepath.Join("/run/cluster/machine", path)
		if err := errors.Join(os.MkdirAll(own, 0o755), mount(own, path, "", syscall.MS_BIND, "")); err != nil {
			return err
		}
	}
	if err := os.Chmod("/tmp", 0o1777); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := hideSysctls(); err != nil {
		return err
	}
	if err := chooseSnapshotter(); err != nil {
		return err
	}
	if err := mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return err
	}
	return furnishNetwork()
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

func hideSysctls() error {
	for _, name := range sysctls {
		real := filepath.Join("/proc/sys", name)
		content, err := os.ReadFile(real)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		own := filepath.Join("/run/cluster/machine/sysctl", strings.ReplaceAll(name, "/", "."))
		if err := writeWhole(own, content, 0o644); err != nil {
			return err
		}
		if err := mount(own, real, "", syscall.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

const snapshotterFile = "/run/cluster/machine/snapshotter.json"

// chooseSnapshotter tries whether images can be stacked here; on a folder that is itself stacked they cannot.
func chooseSnapshotter() error {
	trial := "/run/cluster/machine/stack"
	for _, part := range []string{"lower", "upper", "work", "whole"} {
		if err := os.MkdirAll(filepath.Join(trial, part), 0o755); err != nil {
			return err
		}
	}
	chosen := "overlayfs"
	layers := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", trial)
	if err := syscall.Mount("overlay", filepath.Join(trial, "whole"), "overlay", 0, layers); err != nil {
		chosen = "native"
	} else if err := syscall.Unmount(filepath.Join(trial, "whole"), 0); err != nil {
		return err
	}
	text, err := json.Marshal(chosen)
	if err != nil {
		return err
	}
	return writeWhole(snapshotterFile, text, 0o644)
}

func furnishNetwork() error {
	commands := []string{
		"ip link set lo up",
		// Two ends of one cable that leads nowhere: the node's address has to be on some link, and service
		// addresses need a route before kube-proxy's rules see them.
		"ip link add " + linkName + " type veth peer name " + cableEnd,
		"ip address add " + nodeAddress + "/24 dev " + linkName,
		"ip link set " + linkName + " up",
		"ip link set " + cableEnd + " up",
		"ip route add default dev " + linkName + " src " + nodeAddress,
	}
	for _, line := range commands {
		words := strings.Fields(line)
		if output, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", line, err, output)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("forward between pods: %w", err)
	}
	_, err := net.InterfaceByName(linkName)
	return err
}
