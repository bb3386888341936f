// Package password hashes passwords with argon2id, checks them, and makes new ones.
//
// Each hash takes 19 MiB and about 60 ms, so a [Hasher] bounds how many are computed at once: a storm of logins
// then waits in line instead of taking all memory. The package must never log or keep a password, and never tell
// an unknown user from a wrong password by how long it takes.
//
//	hasher := password.New(runtime.NumCPU())
//	stored, err := hasher.Hash(ctx, "correct horse")
//	ok, err := hasher.Verify(ctx, stored, "correct horse")
package password
