// Container images without a container daemon: one program, stripped, and the libraries that it links to.

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"time"
)

// nobody owns nothing, and is not root.
const nobody = "65532:65532"

func image(_ options, words []string) error {
	if words[0] != "program" {
		return fmt.Errorf("unknown kind of image %q; there is: image program REFERENCE PROGRAM OUT.tar", words[0])
	}
	if err := writeImage(words[1], words[2], words[3]); err != nil {
		return err
	}
	written, err := os.Stat(words[3])
	if err != nil {
		return err
	}
	fmt.Printf("    %s: %.1f MiB in %s\n", words[1], float64(written.Size())/(1<<20), words[3])
	return nil
}

// writeImage writes an archive that `docker load`, `ctr images import` and kind read. The same program gives the same bytes.
func writeImage(reference, program, archive string) error {
	if !strings.Contains(path.Base(reference), ":") {
		return fmt.Errorf("%q has no tag; write it as name:tag", reference)
	}
	files, err := contentOf(program, filepath.Dir(archive))
	if err != nil {
		return err
	}
	layer, err := archiveOf(files)
	if err != nil {
		return err
	}
	entry := "/" + filepath.Base(program)
	configuration, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": time.Unix(0, 0).UTC(),
		"config": map[string]any{"Entrypoint": []string{entry}, "User": nobody, "WorkingDir": "/", "Env": []string{"PATH=/"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return err
	}
	layerName, configurationName := digest(layer)+"/layer.tar", digest(configuration)+".json"
	manifest, err := json.Marshal([]map[string]any{
		{"Config": configurationName, "RepoTags": []string{reference}, "Layers": []string{layerName}},
	})
	if err != nil {
		return err
	}
	whole, err := archiveOf(map[string]content{
		layerName: {bytes: layer, mode: 0o644}, configurationName: {bytes: configuration, mode: 0o644}, "manifest.json": {bytes: manifest, mode: 0o644},
	})
	if err != nil {
		return err
	}
	return writeWhole(archive, whole, 0o644)
}

func digest(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:])
}

type content struct {
	bytes []byte
	mode  int64
}

var linked = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$`)

// contentOf is the program, without what only a debugger reads, and each library under the path where the loader looks.
// It works beside the archive: what a killed call leaves there is the cluster's where the archive is.
func contentOf(program, beside string) (map[string]content, error) {
	if err := os.MkdirAll(beside, 0o755); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(beside, ".new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	stripped := filepath.Join(folder, "program")
	if output, err := exec.Command("strip", "-o", stripped, program).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("strip %s: %w\n%s", program, err, output)
	}
	files := map[string]content{}
	binary, err := os.ReadFile(stripped)
	if err != nil {
		return nil, err
	}
	files[filepath.Base(program)] = content{binary, 0o755}
	ask := exec.Command("ldd", program)
	// Its words are read below.
	ask.Env = append(os.Environ(), "LC_ALL=C")
	output, err := ask.CombinedOutput()
	if err != nil {
		if strings.Contains(string(output), "not a dynamic executable") {
			return files, nil
		}
		return nil, fmt.Errorf("ldd %s: %w\n%s", program, err, output)
	}
	if strings.Contains(string(output), "not found") {
		return nil, fmt.Errorf("%s links to what is not here:\n%s", program, output)
	}
	for _, match := range linked.FindAllStringSubmatch(string(output), -1) {
		library, err := os.ReadFile(match[1])
		if err != nil {
			return nil, err
		}
		files[strings.TrimPrefix(match[1], "/")] = content{library, 0o755}
	}
	return files, nil
}

// archiveOf writes files and their folders in order, all with the same time and owner.
func archiveOf(files map[string]content) ([]byte, error) {
	folders := map[string]bool{}
	var names []string
	for name := range files {
		names = append(names, name)
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			folders[folder] = true
		}
	}
	for folder := range folders {
		names = append(names, folder+"/")
	}
	sort.Strings(names)
	var written bytes.Buffer
	archive := tar.NewWriter(&written)
	for _, name := range names {
		header := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeDir, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		file, isFile := files[name]
		if isFile {
			header.Typeflag, header.Mode, header.Size = tar.TypeReg, file.mode, int64(len(file.bytes))
		}
		err := archive.WriteHeader(header)
		if err == nil && isFile {
			_, err = io.Copy(archive, bytes.NewReader(file.bytes))
		}
		if err != nil {
			return nil, fmt.Errorf("archive %s: %w", name, err)
		}
	}
	err := archive.Close()
	return written.Bytes(), err
}
