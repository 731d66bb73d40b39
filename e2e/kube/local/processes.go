// Programs that outlive the call that starts them, found again by process id and start time, never by name.

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// component is one long-running program of a cluster.
type component struct {
	name      string
	program   string
	arguments []string
	// Handed over as extraDescriptor.
	extra *os.File
}

// What a component inherits beside its log. The first two are closed before the program itself begins.
const (
	gateDescriptor = 3 + iota
	lockDescriptor
	extraDescriptor
)

// process says which process a component is. A process id alone may be somebody else's by now.
type process struct {
	ID    int    `json:"id"`
	Start string `json:"start"`
}

func (c *cluster) recordFile(component string) string { return c.path("processes", component+".json") }

func (c *cluster) record(component string, id int) error {
	started, _ := startOf(id)
	text, err := json.Marshal(process{ID: id, Start: started})
	if err != nil {
		return err
	}
	return writeWhole(c.recordFile(component), text, 0o600)
}

// recorded lists the cluster's processes by component, dead ones too.
func (c *cluster) recorded() map[string]process {
	found := map[string]process{}
	files, _ := filepath.Glob(c.path("processes", "*.json"))
	for _, file := range files {
		var read process
		text, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(text, &read) == nil {
			found[strings.TrimSuffix(filepath.Base(file), ".json")] = read
		}
	}
	return found
}

func (c *cluster) runs(component string) bool {
	return c.recorded()[component].alive()
}

// alive is false for a process that ended, also when nobody asked for its status yet.
func (p process) alive() bool {
	if p.ID <= 0 || p.Start == "" {
		return false
	}
	started, alive := startOf(p.ID)
	return alive && started == p.Start
}

// startOf tells a process's start, and whether it still does anything.
func startOf(id int) (string, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err == nil {
		// The second field, the program's name in parentheses, may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 20 {
			return "", false
		}
		return fields[19], fields[0] != "Z" && fields[0] != "X"
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		return "", false
	}
	ask := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(id))
	// Two callers have to read the same time.
	ask.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	output, err := ask.Output()
	state, started, found := strings.Cut(strings.TrimSpace(string(output)), " ")
	if err != nil || !found {
		return "", false
	}
	return strings.TrimSpace(started), !strings.HasPrefix(state, "Z")
}

// environment holds nothing of the caller's: a proxy set there would swallow calls to webhooks in the cluster.
func (c *cluster) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + os.Getenv("HOME"),
		clusterVariable + "=" + c.folder,
	}
}

// clusterVariable marks a cluster's processes, so that they are found when no record names them. Another user's cluster may
// have the same name, but not the same folder.
const clusterVariable = "CONFMAN_KUBE_CLUSTER"

// detached prepares a program that goes on when the caller and its terminal are gone. The caller closes the log.
func (c *cluster) detached(name string, command *exec.Cmd) (*os.File, error) {
	if err := os.MkdirAll(c.path("logs"), 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(c.logFile(name))
	if err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = log, log
	command.Env = c.environment()
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setsid = true
	return log, nil
}

// startHere calls this tool in the caller's own namespaces and tells the id of its process.
func (c *cluster) startHere(name string, words []string, inherited []*os.File) (int, error) {
	tool, err := os.Executable()
	if err != nil {
		return 0, err
	}
	command := exec.Command(tool, words...)
	command.ExtraFiles = inherited
	log, err := c.detached(name, command)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	if err := command.Start(); err != nil {
		return 0, err
	}
	return command.Process.Pid, nil
}

// ensure starts the component unless it runs. It waits at a gate until it is recorded, so whenever this call is killed, no
// program runs that the next call does not know. At the gate it holds the lock too: the next call comes after it.
func (c *cluster) ensure(wanted component) error {
	if c.runs(wanted.name) {
		return nil
	}
	fmt.Printf("    starting %s\n", wanted.name)
	gate, opener, err := os.Pipe()
	if err != nil {
		return err
	}
	defer opener.Close()
	defer gate.Close()
	start := c.startHere
	if c.facts.Level == node {
		start = c.startInCage
	}
	words := append([]string{"gated", "--", c.place().folder, wanted.name, wanted.program}, wanted.arguments...)
	id, err := start(wanted.name, words, []*os.File{gate, c.lock, wanted.extra})
	if err != nil {
		return fmt.Errorf("start %s: %w", wanted.name, err)
	}
	return c.record(wanted.name, id)
}

// gated waits until the call that started it opens the gate or was killed. Recorded by then, it becomes the program:
// FOLDER COMPONENT PROGRAM ARGUMENTS...
func gated(_ options, words []string) error {
	syscall.CloseOnExec(gateDescriptor)
	syscall.CloseOnExec(lockDescriptor)
	if _, err := io.Copy(io.Discard, os.NewFile(gateDescriptor, "gate")); err != nil {
		return err
	}
	c := &cluster{folder: words[0]}
	// Not by its id, which is another one outside of the cage.
	if started, _ := startOf(os.Getpid()); c.recorded()[words[1]].Start != started {
		return errors.New("not recorded: the call that started this was killed")
	}
	program, err := exec.LookPath(words[2])
	if err != nil {
		return err
	}
	return fmt.Errorf("become %s: %w", program, syscall.Exec(program, words[2:], os.Environ()))
}

// dead names a component that was started and has ended, or nothing.
func (c *cluster) dead() string {
	for name, found := range c.recorded() {
		if !found.alive() {
			return name
		}
	}
	return ""
}

// wait asks again and again until the condition holds, a component ends, or the deadline passes.
func (c *cluster) wait(what, blame string, condition func() error) error {
	const patience, pause = 180 * time.Second, 100 * time.Millisecond
	begun := time.Now()
	told := begun
	for {
		err := condition()
		if err == nil {
			fmt.Printf("    %s after %.1f s\n", what, time.Since(begun).Seconds())
			return nil
		}
		if name := c.dead(); name != "" {
			return c.failed(fmt.Sprintf("%s ended while waiting for: %s", name, what), name)
		}
		if time.Since(begun) > patience {
			return c.failed(fmt.Sprintf("not within %d s: %s: %v", int(patience.Seconds()), what, err), blame)
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Printf("    still waiting for: %s (%d s): %s\n", what, int(time.Since(begun).Seconds()), firstLine(err.Error()))
		}
		time.Sleep(pause)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// failed adds the end of the log that most probably tells why.
func (c *cluster) failed(reason, component string) error {
	return fmt.Errorf("%s\n--- the end of %s\n%s---\nsee: cluster logs --name %s %s; to start afresh: cluster down --name %s",
		reason, c.logFile(component), tail(c.logFile(component), 25), c.name, component, c.name)
}

func tail(path string, most int) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error() + "\n"
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, scanner.Text()+"\n")
		if len(lines) > most {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "")
}
