// A cluster's own cgroup: its pods live below it, so that one cluster's kubelet never tidies away another's pods.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func cgroupName(cluster string) string { return "/confman-" + cluster }

type hierarchy struct {
	folder  string
	unified bool
	cpuset  bool
}

func hierarchies() []hierarchy {
	mounts, _ := os.ReadFile("/proc/mounts")
	var found []hierarchy
	for _, line := range strings.Split(string(mounts), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[2] != "cgroup" && fields[2] != "cgroup2" {
			continue
		}
		options := "," + fields[3] + ","
		found = append(found, hierarchy{
			folder: fields[1], unified: fields[2] == "cgroup2", cpuset: strings.Contains(options, ",cpuset,"),
		})
	}
	return found
}

func cgroupFolders(cluster string) []string {
	var folders []string
	for _, each := range hierarchies() {
		folders = append(folders, each.folder+cgroupName(cluster))
	}
	return folders
}

// makeCgroups prepares the cluster's cgroup in each hierarchy, so that pods can be made below it.
func makeCgroups(cluster string) error {
	all := hierarchies()
	if len(all) == 0 {
		return errors.New("no cgroup is mounted at /sys/fs/cgroup, so pods cannot be limited")
	}
	for _, each := range all {
		folder := each.folder + cgroupName(cluster)
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make a cgroup: %w", err)
		}
		if each.cpuset {
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				content, err := os.ReadFile(filepath.Join(each.folder, file))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(folder, file), content, 0o644); err != nil {
					return fmt.Errorf("give the cgroup its %s: %w", file, err)
				}
			}
		}
		// Beside version 1 the unified hierarchy has no controllers to hand on.
		if each.unified && len(all) == 1 {
			if err := handOnTopmost(each.folder); err != nil {
				return err
			}
			if err := handOnControllers(folder); err != nil {
				return err
			}
		}
	}
	return nil
}

func handOnControllers(folder string) error {
	available, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(available)) {
		switch controller {
		case "cpu", "cpuset", "memory", "pids", "io", "hugetlb":
			err := os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
			if err != nil {
				return fmt.Errorf("hand the controller %s on below %s (in a container: start it privileged and with "+
					"its own cgroup namespace): %w", controller, folder, err)
			}
		}
	}
	return nil
}

// handOnTopmost moves a container's processes out of the way, as kind does: only the machine's topmost cgroup may both hold
// processes and hand controllers on. They stay there.
func handOnTopmost(folder string) error {
	err := handOnControllers(folder)
	// Again and again, since a process that is about to move may start another.
	for tries := 0; errors.Is(err, syscall.EBUSY) && tries < 10; tries++ {
		if err := moveProcesses(folder, filepath.Join(folder, "init")); err != nil {
			return err
		}
		err = handOnControllers(folder)
	}
	return err
}

func moveProcesses(folder, below string) error {
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a cgroup: %w", err)
	}
	processes, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, id := range strings.Fields(string(processes)) {
		err := os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(id), 0o644)
		// One that ended meanwhile is no longer in the way.
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("move process %s to the cgroup %s: %w", id, below, err)
		}
	}
	return nil
}

// thawCgroups: a frozen process does not even die.
func thawCgroups(cluster string) {
	for _, folder := range cgroupFolders(cluster) {
		_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Name() == "freezer.state" {
				_ = os.WriteFile(path, []byte("THAWED"), 0o644)
			}
			return nil
		})
	}
}

// removeCgroups tells which are still there.
func removeCgroups(cluster string) []string {
	var left []string
	for _, folder := range cgroupFolders(cluster) {
		var below []string
		_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				below = append(below, path)
			}
			return nil
		})
		// The deepest first.
		for index := len(below) - 1; index >= 0; index-- {
			if err := syscall.Rmdir(below[index]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				left = append(left, "cgroup "+below[index])
			}
		}
	}
	return left
}
