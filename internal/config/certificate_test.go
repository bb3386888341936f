package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pair writes a certificate and its key to files.
func pair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secretDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := pair(t, dir, "ours")
	other, _ := pair(t, dir, "other")
	for _, test := range []struct{ name, cert, key, want string }{
		{"none", "", "", ""},
		{"good", cert, key, ""},
		{"missing", dir + "/no.crt", key, `TALKTIME_TLS_CERT is "` + dir + `/no.crt", but must be a file that can be read: no such file or directory`},
		{"both missing", dir + "/no.crt", dir + "/no.key", "TALKTIME_TLS_KEY is "},
		{"a folder", cert, dir, `TALKTIME_TLS_KEY is "` + dir + `", but must be a file that can be read: is a directory`},
		{"of another", other, key, "are not a certificate and its key: tls: private key does not match public key"},
		{"swapped", key, cert, "are not a certificate and its key: tls: failed to find certificate PEM data in certificate input, but did find a private key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Admin{TLSCert: test.cert, TLSKey: test.key}.Certificate()
			switch {
			case test.want == "" && (err != nil || (got == nil) != (test.cert == "")):
				t.Errorf("%v, %v", got, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("it says %v, want %s", err, test.want)
			}
		})
	}
}
