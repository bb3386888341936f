package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"talktime/models"
)

// params are the costs of one hash, as its text names them.
type params struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// current is what new hashes cost: the second of the equivalent sets that OWASP gives for argon2id.
var current = params{memory: 19 * 1024, time: 2, threads: 1}

// Bounds of what a stored hash may ask for, so that a damaged one cannot take the machine down.
const (
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 16
)

const (
	saltBytes = 16
	keyBytes  = 32
	// maxBytes is more than anybody types. Longer input is refused before it is hashed.
	maxBytes = 1024
)

// ErrFormat says that a stored hash is not one of ours.
var ErrFormat = errors.New("the stored password hash is not in the argon2id form")

// Check says what is wrong with a password that somebody chose, in one sentence.
func Check(password string) error {
	switch {
	case !utf8.ValidString(password):
		return errors.New("the password must be UTF-8 text")
	case utf8.RuneCountInString(password) < models.MinPassword:
		return fmt.Errorf("the password must have at least %d characters", models.MinPassword)
	case len(password) > maxBytes:
		return fmt.Errorf("the password must have at most %d bytes", maxBytes)
	}
	return nil
}

// Generate makes a password of 80 random bits from letters and digits that are not mistaken for one another.
func Generate() string { return strings.ToLower(rand.Text()[:16]) }

// Hasher computes hashes, a bounded number at once.
type Hasher struct {
	places chan struct{}
}

// New returns a Hasher that computes at most parallel hashes at once.
func New(parallel int) *Hasher { return &Hasher{places: make(chan struct{}, max(parallel, 1))} }

// Hash returns the hash of a password as PHC text. It waits for its turn; the only error is that of ctx.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails, by its documentation
	key, err := h.key(ctx, password, salt, current, keyBytes)
	if err != nil {
		return "", err
	}
	return encode(current, salt, key), nil
}

// Verify reports whether password is the one that was hashed. An empty hash (no such user, or one who may not log
// in) takes as long as a real one and is never right. The error is ErrFormat or that of ctx.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	p, salt, key, formatErr := decode(hash)
	if formatErr != nil {
		p, salt, key = current, make([]byte, saltBytes), make([]byte, keyBytes)
	}
	got, err := h.key(ctx, password, salt, p, len(key))
	if err != nil {
		return false, err
	}
	same := subtle.ConstantTimeCompare(got, key) == 1
	if hash == "" {
		return false, nil
	}
	return same && formatErr == nil, formatErr
}

// NeedsRehash reports whether a hash was made with other costs than today's, so that the next login should renew it.
func NeedsRehash(hash string) bool {
	p, salt, key, err := decode(hash)
	return err != nil || p != current || len(salt) != saltBytes || len(key) != keyBytes
}

func (h *Hasher) key(ctx context.Context, password string, salt []byte, p params, length int) ([]byte, error) {
	if len(password) > maxBytes {
		password = password[:maxBytes] // no stored password is that long, so it cannot match one
	}
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.places }()
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, uint32(length)), nil //nolint:gosec // at most 64, see decode
}

func encode(p params, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decode(hash string) (p params, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if strings.ContainsAny(hash, "\r\n") || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return params{}, nil, nil, ErrFormat
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", p.memory, p.time, p.threads) {
		return params{}, nil, nil, ErrFormat
	}
	if p.time < 1 || p.threads < 1 || p.memory > maxMemory || p.time > maxTime || p.threads > maxThreads {
		return params{}, nil, nil, ErrFormat
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
		return params{}, nil, nil, ErrFormat
	}
	return p, salt, key, nil
}
