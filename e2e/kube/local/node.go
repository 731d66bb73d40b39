// The node level: what lets pods run, on top of the control level and inside the cage.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	pauseImage = "localhost/confman-pause:1"
	// The first process of the cluster's namespaces; see cage_linux.go.
	cageName   = "cage"
	toolInCage = "/run/cluster/local-cluster"
)

func (c *cluster) nodeUp() error {
	if err := c.certify(fmt.Sprintf("https://127.0.0.1:%d", insidePort)); err != nil {
		return err
	}
	if err := c.ensureCage(); err != nil {
		return err
	}
	if err := c.ensureForward(); err != nil {
		return err
	}
	if err := c.writeNodeFiles(); err != nil {
		return err
	}
	// Beside the control plane, since it needs nothing of it.
	if err := c.ensure(component{name: "containerd", program: "containerd", arguments: []string{"--config", c.place().in("node", "containerd.toml")}}); err != nil {
		return err
	}
	if err := c.controlPlaneUp(); err != nil {
		return err
	}
	if err := c.apply(nodeManifest); err != nil {
		return err
	}
	err := c.wait("containerd answers", "containerd", func() error {
		output, err := c.enter("ctr", "--address", containerdSocket, "version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.loadPause(); err != nil {
		return err
	}
	for _, wanted := range c.nodeComponents() {
		if err := c.ensure(wanted); err != nil {
			return err
		}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	err = c.wait("the node is ready", "kubelet", func() error { return nodeIsReady(client) })
	if err != nil {
		return err
	}
	return c.wait("the cluster's DNS answers at its Service", "coredns", func() error {
		output, err := c.enter(toolInCage, "probe-dns", dnsAddress+":53", "kubernetes.default.svc.cluster.local").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(output)))
		}
		return nil
	})
}

const containerdSocket = "/run/containerd/containerd.sock"

func (c *cluster) nodeComponents() []component {
	at := c.place()
	return []component{
		{name: "kubelet", program: at.program(node, "kubelet"), arguments: []string{
			"--kubeconfig=" + at.in("kubeconfigs", "kubelet"), "--config=" + at.in("node", "kubelet.yaml"),
			"--cert-dir=" + at.in("node", "kubelet-certificates"), "--hostname-override=" + nodeName, "--node-ip=" + nodeAddress,
		}},
		{name: "kube-proxy", program: at.program(node, "kube-proxy"), arguments: []string{
			"--kubeconfig=" + at.in("kubeconfigs", "kube-proxy"), "--hostname-override=" + nodeName, "--proxy-mode=iptables",
			"--cluster-cidr=" + podNetwork, "--oom-score-adj=0",
			// Only the machine's own network namespace may change these.
			"--conntrack-max-per-core=0", "--conntrack-min=0",
			"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
		}},
		{name: "coredns", program: at.program(node, "coredns"), arguments: []string{"-conf", at.in("node", "Corefile")}},
		{name: "volumes", program: at.program(node, "volumes"), arguments: []string{
			"--kubeconfig=" + at.in("kubeconfigs", "volumes"), "--folder=" + at.in("volumes"), "--node=" + nodeName,
		}},
	}
}

func (c *cluster) writeNodeFiles() error {
	var snapshotter string
	text, err := os.ReadFile(c.path(strings.TrimPrefix(snapshotterFile, "/run/cluster/")))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &snapshotter); err != nil {
		return err
	}
	files := map[string]string{
		"containerd.toml":      fmt.Sprintf(containerdFile, pauseImage, pluginFolder(), snapshotter),
		"cni/10-pods.conflist": fmt.Sprintf(networkFile, pluginNetwork, podNetwork),
		"kubelet.yaml":         fmt.Sprintf(kubeletFile, cgroupName(c.name), dnsAddress),
		"Corefile":             fmt.Sprintf(dnsFile, nodeAddress),
		"resolv.conf":          "nameserver " + dnsAddress + "\n",
	}
	for name, content := range files {
		if err := writeWhole(c.path("node", name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The root and the state are on their usual paths, which in the cage are the cluster's own.
// restrict_oom_score_adj: where this process may not lower scores, no pod would start.
const containerdFile = `version = 2
root = "/run/cluster/containerd"
state = "/run/containerd"

[plugins."io.containerd.internal.v1.opt"]
  path = "/run/cluster/machine/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %q
  conf_dir = "/run/cluster/node/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = %q

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`

// Each pod on a cable of its own, routed by the node: unlike a bridge that needs no module that filters bridged packets.
const networkFile = `{
  "cniVersion": "0.4.0",
  "name": %q,
  "plugins": [
    {
      "type": "ptp",
      "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}
    }
  ]
}
`

// Images cannot be pulled here, so none is ever removed to make room; failCgroupV1: some kernels still start with version 1.
const kubeletFile = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: /run/cluster/pki/ca.crt}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: %s
clusterDNS: ["%s"]
clusterDomain: cluster.local
configMapAndSecretChangeDetectionStrategy: Watch
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
evictionHard: {memory.available: 50Mi, nodefs.available: 50Mi, imagefs.available: 50Mi}
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
oomScoreAdj: 0
podCIDR: ""
resolvConf: /run/cluster/node/resolv.conf
rotateCertificates: false
`

// A name outside the cluster is refused: there is no way out of the cage.
const dnsFile = `.:53 {
    bind %s
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa {
        kubeconfig /run/cluster/kubeconfigs/coredns system:coredns
        pods insecure
    }
}
`

const nodeManifest = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: confman.io/local-folder
volumeBindingMode: Immediate
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: ` + dnsAddress + `
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kube-dns-node
  namespace: kube-system
  labels: {kubernetes.io/service-name: kube-dns, endpointslice.kubernetes.io/managed-by: local-cluster}
addressType: IPv4
endpoints: [{addresses: ["` + nodeAddress + `"], conditions: {ready: true}}]
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
`

func nodeIsReady(client *client) error {
	body, err := client.get("/api/v1/nodes/" + nodeName)
	if err != nil {
		return err
	}
	var read struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal([]byte(body), &read); err != nil {
		return err
	}
	for _, condition := range read.Status.Conditions {
		if condition.Type == "Ready" {
			if condition.Status == "True" {
				return nil
			}
			return errors.New(condition.Message)
		}
	}
	return errors.New("the node has no condition yet")
}

// probeDNS asks one name server for one name: SERVER NAME
func probeDNS(_ options, words []string) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, words[0])
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := resolver.LookupHost(ctx, words[1]+".")
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(found, " "))
	return nil
}

func (c *cluster) loadPause() error {
	mark := c.path("node", "pause-is-loaded")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	archive := c.path("node", "pause.tar")
	if err := writeImage(pauseImage, filepath.Join(binFolder(), "pause"), archive); err != nil {
		return err
	}
	if err := c.loadArchive(archive); err != nil {
		return err
	}
	return writeWhole(mark, nil, 0o644)
}

func load(given options, words []string) error {
	c, err := existing(given.name)
	if err != nil {
		return err
	}
	if c.facts.Level != node {
		return fmt.Errorf("cluster %s runs no pods, so it has no use for an image", c.name)
	}
	if !c.runs(cageName) {
		return fmt.Errorf("cluster %s is not up; run: cluster up --name %s --level node", c.name, c.name)
	}
	return c.loadArchive(words[0])
}

func (c *cluster) loadArchive(path string) error {
	archive, err := os.Open(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	command := c.enter("ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", "-")
	command.Stdin = archive
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("load %s: %w\n%s", path, err, output)
	}
	return nil
}
