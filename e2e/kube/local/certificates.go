// The cluster's certificate authority, a client certificate for each program and person, and the kubeconfigs.

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// systemMasters may do everything, whatever RBAC says.
const systemMasters = "system:masters"

// people of the samples, the story and the tests. All but the first two begin with no right at all.
var people = []person{
	{name: "admin", groups: []string{systemMasters}},
	{name: "platform"},
	{name: "ada"}, {name: "bob"}, {name: "cleo"}, {name: "dan"}, {name: "mallory"},
}

// programs speak to the API server under these names.
var programs = []person{
	{file: "kube-controller-manager", name: "system:kube-controller-manager"},
	{file: "kube-scheduler", name: "system:kube-scheduler"},
	{file: "kube-proxy", name: "system:kube-proxy"},
	{file: "kubelet", name: "system:node:" + nodeName, groups: []string{"system:nodes"}},
	{file: "coredns", name: "system:coredns", groups: []string{systemMasters}},
	{file: "volumes", name: "system:volumes", groups: []string{systemMasters}},
}

type person struct {
	// Of the certificate and the kubeconfig; the name where it is empty.
	file   string
	name   string
	groups []string
}

func (p person) stem() string {
	if p.file != "" {
		return p.file
	}
	return p.name
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// certify makes every key, certificate and kubeconfig once. `inside` is the API server's address for the cluster's programs.
func (c *cluster) certify(inside string) error {
	if _, err := os.Stat(c.kubeconfig()); err == nil {
		return nil
	}
	signer, err := c.newAuthority("ca")
	if err != nil {
		return err
	}
	hosts := []string{
		"localhost", "127.0.0.1", "::1", nodeAddress, firstServiceAddress,
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	servers := []person{{file: "apiserver", name: "kube-apiserver"}, {file: "etcd", name: "etcd"}}
	for _, server := range servers {
		if err := c.issue(signer, server, hosts); err != nil {
			return err
		}
	}
	clients := append([]person{
		{file: "apiserver-etcd", name: "kube-apiserver"},
		{file: "apiserver-kubelet", name: "kube-apiserver-kubelet-client", groups: []string{systemMasters}},
	}, append(programs, people...)...)
	for _, client := range clients {
		if err := c.issue(signer, client, nil); err != nil {
			return err
		}
	}
	if err := c.writeKey("service-accounts", mustKey()); err != nil {
		return err
	}
	for _, program := range programs {
		if err := c.writeKubeconfig(c.path("kubeconfigs", program.stem()), inside, []person{program}); err != nil {
			return err
		}
	}
	if err := c.certifyWebhooks(); err != nil {
		return err
	}
	outside := fmt.Sprintf("https://127.0.0.1:%d", c.facts.APIServerPort)
	// The last file: where it exists, everything else does too.
	return c.writeKubeconfig(c.kubeconfig(), outside, people)
}

func mustKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("the system's source of randomness never fails: " + err.Error())
	}
	return key
}

func template(subject pkix.Name) *x509.Certificate {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic("the system's source of randomness never fails: " + err.Error())
	}
	return &x509.Certificate{
		SerialNumber: number,
		Subject:      subject,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// certifyWebhooks lets webhooks know the API server, by a CA that signs nobody else: people have certificates of the other one.
func (c *cluster) certifyWebhooks() error {
	signer, err := c.newAuthority("webhooks-ca")
	if err != nil {
		return err
	}
	if err := c.issue(signer, person{file: "webhooks", name: "kube-apiserver"}, nil); err != nil {
		return err
	}
	at := c.place()
	kubeconfig := fmt.Sprintf(webhooksKubeconfig, at.in("pki", "webhooks.crt"), at.in("pki", "webhooks.key"))
	if err := writeWhole(c.path("kubeconfigs", "webhooks"), []byte(kubeconfig), 0o600); err != nil {
		return err
	}
	return writeWhole(c.path(admissionFile), fmt.Appendf(nil, admissionConfiguration, at.in("kubeconfigs", "webhooks")), 0o600)
}

const admissionFile = "admission.yaml"

const webhooksKubeconfig = `
apiVersion: v1
kind: Config
users:
- name: "*"
  user: {client-certificate: %s, client-key: %s}
`

const admissionConfiguration = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: MutatingAdmissionWebhook
  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %s}
`

func (c *cluster) newAuthority(stem string) (authority, error) {
	key := mustKey()
	certificate := template(pkix.Name{CommonName: "confman-" + c.name + "-" + stem})
	certificate.IsCA = true
	certificate.BasicConstraintsValid = true
	certificate.KeyUsage |= x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("make the certificate authority: %w", err)
	}
	return authority{certificate, key}, c.writeCertificate(stem, der)
}

func (c *cluster) issue(signer authority, owner person, hosts []string) error {
	key := mustKey()
	certificate := template(pkix.Name{CommonName: owner.name, Organization: owner.groups})
	certificate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(hosts) > 0 {
		// etcd's gateway speaks to itself with its server certificate.
		certificate.ExtKeyUsage = append(certificate.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range hosts {
		if address := net.ParseIP(host); address != nil {
			certificate.IPAddresses = append(certificate.IPAddresses, address)
		} else {
			certificate.DNSNames = append(certificate.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return fmt.Errorf("make the certificate of %s: %w", owner.name, err)
	}
	return errors.Join(c.writeCertificate(owner.stem(), der), c.writeKey(owner.stem(), key))
}

func (c *cluster) writeCertificate(stem string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return writeWhole(c.path("pki", stem+".crt"), text, 0o600)
}

func (c *cluster) writeKey(stem string, key *ecdsa.PrivateKey) error {
	// Not PKCS 8: Kubernetes reads the public half of a service account key from this form only.
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return writeWhole(c.path("pki", stem+".key"), text, 0o600)
}

// writeKubeconfig writes one context for each user; the first is the current one.
func (c *cluster) writeKubeconfig(path, server string, users []person) error {
	encoded := func(file string) (string, error) {
		content, err := os.ReadFile(c.path("pki", file))
		return base64.StdEncoding.EncodeToString(content), err
	}
	root, err := encoded("ca.crt")
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: v1\nkind: Config\ncurrent-context: %s\nclusters:\n", users[0].name)
	fmt.Fprintf(&text, "- name: %s\n  cluster:\n    server: %s\n    certificate-authority-data: %s\n", c.name, server, root)
	text.WriteString("contexts:\n")
	for _, user := range users {
		fmt.Fprintf(&text, "- name: %s\n  context: {cluster: %s, user: %s}\n", quoted(user.name), c.name, quoted(user.name))
	}
	text.WriteString("users:\n")
	for _, user := range users {
		certificate, certificateErr := encoded(user.stem() + ".crt")
		key, keyErr := encoded(user.stem() + ".key")
		if err := errors.Join(certificateErr, keyErr); err != nil {
			return err
		}
		fmt.Fprintf(&text, "- name: %s\n  user:\n    client-certificate-data: %s\n    client-key-data: %s\n", quoted(user.name), certificate, key)
	}
	return writeWhole(path, []byte(text.String()), 0o600)
}

func quoted(name string) string { return `"` + name + `"` }

// clientTLS speaks to the API server as the admin.
func (c *cluster) clientTLS() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.path("pki", "admin.crt"), c.path("pki", "admin.key"))
	if err != nil {
		return nil, err
	}
	root, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("%s holds no certificate: %w", c.path("pki", "ca.crt"), fs.ErrInvalid)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}, nil
}
