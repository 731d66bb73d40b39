// What the node level takes from the machine: installed on Debian as root, named everywhere else.

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// needed names a file that has to be there, and the Debian package that brings it.
type needed struct {
	file    string
	debian  string
	meaning string
}

// Debian's, upstream's and Fedora's place.
var pluginFolders = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// pluginFolder is the first that holds the plugin which this tool uses; Debian's where none does.
func pluginFolder() string {
	for _, folder := range pluginFolders {
		if _, err := os.Stat(folder + "/ptp"); err == nil {
			return folder
		}
	}
	return pluginFolders[0]
}

var machineNeeds = []needed{
	{"containerd", "containerd", "containerd and ctr"},
	{"runc", "runc", "runc"},
	{pluginFolder() + "/ptp", "containernetworking-plugins", "the CNI plugins, in " + strings.Join(pluginFolders, " or ")},
	{"iptables", "iptables", "iptables"},
	{"ip", "iproute2", "iproute2"},
	{"nsenter", "util-linux", "util-linux (nsenter)"},
	{"mount", "mount", "mount"},
	{"ldd", "libc-bin", "ldd"},
	{"strip", "binutils", "binutils (strip)"},
}

// packagePath covers callers whose PATH leaves the administrator's programs out.
const packagePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func missingNeeds() []needed {
	var missing []needed
	for _, need := range machineNeeds {
		if !present(need.file) {
			missing = append(missing, need)
		}
	}
	return missing
}

func present(file string) bool {
	if strings.HasPrefix(file, "/") {
		_, err := os.Stat(file)
		return err == nil
	}
	for _, folder := range strings.Split(os.Getenv("PATH")+":"+packagePath, ":") {
		if found, err := os.Stat(folder + "/" + file); err == nil && !found.IsDir() {
			return true
		}
	}
	return false
}

// installPackages does nothing where pods cannot run anyway: not on Linux, or not as root.
func installPackages() error {
	missing := missingNeeds()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 || len(missing) == 0 {
		return nil
	}
	held, err := lock(".packages")
	if err != nil {
		return err
	}
	defer held.Close()
	if missing = missingNeeds(); len(missing) == 0 {
		return nil
	}
	var packages, meanings []string
	for _, need := range missing {
		packages = append(packages, need.debian)
		meanings = append(meanings, "  - "+need.meaning)
	}
	if !present("apt-get") {
		return fmt.Errorf("pods need what this machine lacks; install:\n%s", strings.Join(meanings, "\n"))
	}
	fmt.Printf("    installing %s\n", strings.Join(packages, " "))
	const patience = "DPkg::Lock::Timeout=300"
	install := append([]string{"-o", patience, "install", "-y", "-qq", "--no-install-recommends"}, packages...)
	for _, arguments := range [][]string{{"-o", patience, "update", "-qq"}, install} {
		command := exec.Command("apt-get", arguments...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(arguments, " "), err, output)
		}
	}
	if missing = missingNeeds(); len(missing) > 0 {
		return fmt.Errorf("%s is still missing after installing %s", missing[0].file, missing[0].debian)
	}
	return nil
}
