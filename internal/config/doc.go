// Package config turns the environment into one typed, checked [Config] for both commands.
//
// Settings are environment variables and nothing else; a file .env in the working directory may hold
// them too, and the environment wins over it. Every mistake is found in one pass and reported as a
// sentence of its own, so that an operator repairs them together instead of one per start.
//
// The package never prints, never reads the network and never changes the process's environment. A
// password, a secret or a token never appears in an error, in a warning or in a printed Config: such
// values are a [Secret], which shows itself only when asked by Reveal.
//
//	cfg, err := config.Load(os.LookupEnv, os.Environ(), ".")
//	for _, warning := range cfg.Warnings {
//		log.Warn(warning)
//	}
//	if err != nil {
//		return err // one mistake per line
//	}
package config
