# Talktime. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X talktime/internal/version.Tag=$(VERSION)

.PHONY: help build run demo test quick bench fuzz lint clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

build: ## bin/fastagi and bin/admin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/fastagi ./cmd/admin

run: build ## both servers on ./data/talktime.db, until Ctrl-C
	@script/run.sh

demo: build ## make run, with simulated callers
	@script/run.sh demo

test: ## everything: units, SQLite, MariaDB, a real Asterisk with SIP calls, a browser, the commands
	@script/test.sh

quick: ## the tests that need neither MariaDB nor Asterisk
	go test -short ./...

bench: build ## the benchmarks, side by side; writes bench/RESULTS.md
	go run ./bench

fuzz: ## every fuzz target for FUZZTIME (default 10s)
	@script/fuzz.sh

lint: ## formatting and linters
	@script/lint.sh

clean: ## what was built
	rm -rf bin
