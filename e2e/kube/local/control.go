// The control level: etcd, API server, controller manager, scheduler.

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

const (
	nodeName = "node-1"
	// Inside a cluster's own network namespace, so these may be the same in every cluster.
	nodeAddress         = "10.96.255.1"
	insidePort          = 6443
	serviceNetwork      = "10.96.0.0/17"
	firstServiceAddress = "10.96.0.1"
	dnsAddress          = "10.96.0.10"
	podNetwork          = "10.244.0.0/24"
)

// place tells where a component finds the cluster's folder and the programs: the node level sees them elsewhere.
type place struct {
	folder string
	bin    string
}

func (p place) in(parts ...string) string {
	return filepath.Join(append([]string{p.folder}, parts...)...)
}

func (c *cluster) place() place {
	if c.facts.Level == node {
		return place{folder: "/run/cluster", bin: "/run/bin"}
	}
	return place{folder: c.folder, bin: binFolder()}
}

// program honours KUBEBUILDER_ASSETS at the control level.
func (p place) program(of level, name string) string {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" && of == control {
		candidate := filepath.Join(assets, name)
		if _, err := os.Stat(candidate); err == nil {
			return candidate
		}
	}
	return filepath.Join(p.bin, name)
}

func (c *cluster) etcd() component {
	at := c.place()
	arguments := []string{
		"--data-dir=" + at.in("etcd"),
		fmt.Sprintf("--listen-client-urls=https://127.0.0.1:%d", c.facts.EtcdPort),
		fmt.Sprintf("--advertise-client-urls=https://127.0.0.1:%d", c.facts.EtcdPort),
		fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", c.facts.EtcdPeerPort),
		fmt.Sprintf("--initial-advertise-peer-urls=http://127.0.0.1:%d", c.facts.EtcdPeerPort),
		fmt.Sprintf("--initial-cluster=default=http://127.0.0.1:%d", c.facts.EtcdPeerPort),
		"--cert-file=" + at.in("pki", "etcd.crt"), "--key-file=" + at.in("pki", "etcd.key"),
		"--trusted-ca-file=" + at.in("pki", "ca.crt"), "--client-cert-auth=true",
		// A cluster that lives as long as a test need not survive a power cut.
		"--unsafe-no-fsync=true", "--log-level=warn",
	}
	return component{name: "etcd", program: at.program(c.facts.Level, "etcd"), arguments: arguments}
}

func (c *cluster) apiserver() component {
	at := c.place()
	arguments := []string{
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", c.facts.EtcdPort),
		"--etcd-cafile=" + at.in("pki", "ca.crt"),
		"--etcd-certfile=" + at.in("pki", "apiserver-etcd.crt"), "--etcd-keyfile=" + at.in("pki", "apiserver-etcd.key"),
		"--tls-cert-file=" + at.in("pki", "apiserver.crt"), "--tls-private-key-file=" + at.in("pki", "apiserver.key"),
		"--client-ca-file=" + at.in("pki", "ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + at.in("pki", "service-accounts.key"),
		"--service-account-signing-key-file=" + at.in("pki", "service-accounts.key"),
		"--service-cluster-ip-range=" + serviceNetwork,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--anonymous-auth=false", "--allow-privileged=true", "--profiling=false",
	}
	// A cluster of an older checkout has none.
	if _, err := os.Stat(c.path(admissionFile)); err == nil {
		arguments = append(arguments, "--admission-control-config-file="+at.in(admissionFile))
	}
	if c.facts.Level == control {
		arguments = append(arguments, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", c.facts.APIServerPort), "--endpoint-reconciler-type=none")
	} else {
		arguments = append(arguments, "--bind-address=0.0.0.0", "--advertise-address="+nodeAddress,
			fmt.Sprintf("--secure-port=%d", insidePort), "--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate="+at.in("pki", "apiserver-kubelet.crt"),
			"--kubelet-client-key="+at.in("pki", "apiserver-kubelet.key"))
	}
	return component{name: "kube-apiserver", program: at.program(c.facts.Level, "kube-apiserver"), arguments: arguments}
}

func (c *cluster) controllers() []component {
	at := c.place()
	manager := []string{
		"--kubeconfig=" + at.in("kubeconfigs", "kube-controller-manager"), "--leader-elect=false", "--secure-port=0",
		"--service-account-private-key-file=" + at.in("pki", "service-accounts.key"), "--use-service-account-credentials=true",
		"--root-ca-file=" + at.in("pki", "ca.crt"), "--allocate-node-cidrs=false", "--profiling=false",
	}
	scheduler := []string{
		"--kubeconfig=" + at.in("kubeconfigs", "kube-scheduler"), "--leader-elect=false", "--secure-port=0", "--profiling=false",
	}
	return []component{
		{name: "kube-controller-manager", program: at.program(c.facts.Level, "kube-controller-manager"), arguments: manager},
		{name: "kube-scheduler", program: at.program(c.facts.Level, "kube-scheduler"), arguments: scheduler},
	}
}

// up starts what does not run yet, and waits until the cluster does its work.
func up(given options, _ []string) error {
	if given.level == node {
		if err := nodeIsPossible(); err != nil {
			return err
		}
	}
	if err := build(given.level == node); err != nil {
		return err
	}
	held, err := lock(given.name)
	if err != nil {
		return err
	}
	defer held.Close()
	c, err := made(given)
	if err != nil {
		return err
	}
	c.lock = held
	c.forgetTheDead()
	if c.facts.Level == node {
		err = c.nodeUp()
	} else {
		err = c.controlUp()
	}
	if err != nil {
		return err
	}
	fmt.Printf("    cluster %s is up: export KUBECONFIG=%s\n", c.name, c.kubeconfig())
	return nil
}

// made reads the cluster's facts, or chooses them.
func made(given options) (*cluster, error) {
	c, err := known(given.name)
	if err == nil {
		if c.facts.Level != given.level {
			return nil, fmt.Errorf("cluster %s runs at level %s; run first: cluster down --name %s", c.name, c.facts.Level, c.name)
		}
		return c, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// Programs still run where `down` was interrupted, or somebody removed the folder by hand.
	if err := c.remove(); err != nil {
		return nil, err
	}
	// One at a time, so that two new clusters do not choose the same ports.
	choosing, err := lock(".ports")
	if err != nil {
		return nil, err
	}
	defer choosing.Close()
	taken := map[int]bool{}
	names, err := knownNames()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if other, err := known(name); err == nil {
			taken[other.facts.APIServerPort] = true
			taken[other.facts.EtcdPort] = true
			taken[other.facts.EtcdPeerPort] = true
		}
	}
	c.facts = facts{Level: given.level, APIServerPort: freePort(taken), EtcdPort: 2379, EtcdPeerPort: 2380}
	if given.level == control {
		c.facts.EtcdPort = freePort(taken)
		c.facts.EtcdPeerPort = freePort(taken)
	}
	return c, c.writeFacts()
}

// freePort stays below the range that outgoing connections take their ports from.
func freePort(taken map[int]bool) int {
	for port := 21000; port < 30000; port++ {
		if taken[port] {
			continue
		}
		taken[port] = true
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			listener.Close()
			return port
		}
	}
	return 0
}

func (c *cluster) forgetTheDead() {
	for name, found := range c.recorded() {
		if !found.alive() {
			os.Remove(c.recordFile(name))
		}
	}
}

func (c *cluster) controlUp() error {
	if err := c.certify(fmt.Sprintf("https://127.0.0.1:%d", c.facts.APIServerPort)); err != nil {
		return err
	}
	return c.controlPlaneUp()
}

// controlPlaneUp is what both levels share.
func (c *cluster) controlPlaneUp() error {
	for _, wanted := range []component{c.etcd(), c.apiserver()} {
		if err := c.ensure(wanted); err != nil {
			return err
		}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	err = c.wait("the API server is ready", "kube-apiserver", func() error { return client.expect("/readyz", "ok") })
	if err != nil {
		return err
	}
	for _, wanted := range c.controllers() {
		if err := c.ensure(wanted); err != nil {
			return err
		}
	}
	if err := c.apply(platformManifest); err != nil {
		return err
	}
	// The controller manager makes it, so it works once this is there.
	return c.wait("the controllers work", "kube-controller-manager", func() error {
		return client.expect("/api/v1/namespaces/default/serviceaccounts/default", `"uid"`)
	})
}

const platformManifest = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: platform-is-cluster-admin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: platform}]
`

// nodeIsPossible says what the node level asks of a machine.
func nodeIsPossible() error {
	if runtime.GOOS != "linux" {
		return errors.New("the node level runs on Linux only; elsewhere use kind (CLUSTER=kind) or a cluster that you have (CLUSTER=current)")
	}
	if os.Geteuid() != 0 {
		return errors.New("the node level needs root: pods need mounts, namespaces and cgroups. Run it as root, or use CLUSTER=kind or CLUSTER=current")
	}
	return nil
}
