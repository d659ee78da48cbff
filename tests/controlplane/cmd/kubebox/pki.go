package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// writePKI makes what is not there yet: a CA, the API server's certificate, the
// one it shows to kubelets, and the key pair that signs service account tokens.
func writePKI(dir string, address net.IP) error {
	in := func(name string) string { return filepath.Join(dir, name) }
	if _, err := os.Stat(in("sa.key")); err == nil {
		return nil
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	from, to := time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubebox-ca"},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	issue := func(serial int64, c *x509.Certificate) (der []byte, key *ecdsa.PrivateKey, err error) {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, err
		}
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(serial), from, to
		c.KeyUsage = x509.KeyUsageDigitalSignature
		der, err = x509.CreateCertificate(rand.Reader, c, ca, key.Public(), caKey)
		return der, key, err
	}
	serverDER, serverKey, err := issue(2, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1), address},
	})
	if err != nil {
		return err
	}
	clientDER, clientKey, err := issue(3, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	sa, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	saPub, err := x509.MarshalPKIXPublicKey(sa.Public())
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{
		{"ca.crt", "CERTIFICATE", caDER}, {"ca.key", "EC PRIVATE KEY", ecDER(caKey)},
		{"apiserver.crt", "CERTIFICATE", serverDER}, {"apiserver.key", "EC PRIVATE KEY", ecDER(serverKey)},
		{"kubelet-client.crt", "CERTIFICATE", clientDER}, {"kubelet-client.key", "EC PRIVATE KEY", ecDER(clientKey)},
		{"sa.pub", "PUBLIC KEY", saPub}, {"sa.key", "EC PRIVATE KEY", ecDER(sa)},
	} {
		var b bytes.Buffer
		if err := pem.Encode(&b, &pem.Block{Type: f.kind, Bytes: f.der}); err != nil {
			return err
		}
		if err := os.WriteFile(in(f.name), b.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func ecDER(k *ecdsa.PrivateKey) []byte {
	b, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		panic(err)
	}
	return b
}

func token() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return fmt.Sprintf("%x", b)
}

func writeKubeconfig(path, server, ca, token string) error {
	pemCA, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: admin
  user: {token: %s}
contexts:
- name: test
  context: {cluster: test, user: admin}
`, server, base64.StdEncoding.EncodeToString(pemCA), token), 0o600)
}
