# Entry points of Confman; continuous integration runs the same ones (.ci/run). `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# One target folder outside the checkout: a fresh clone does not build RocksDB again (minutes).
export CARGO_TARGET_DIR ?= $(HOME)/.cache/confman/target
# Snapshots change only where a person asks for it.
export INSTA_UPDATE ?= no
export PATH := $(HOME)/.cargo/bin:$(HOME)/.cache/confman/tools/bin:$(PATH):/usr/local/go/bin

# Always the whole workspace: building one crate alone would choose other features and build dependencies twice.
BINARIES := $(CARGO_TARGET_DIR)/debug
STEP := e2e/step
LOAD := $(CARGO_TARGET_DIR)/release/load

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: build ## Show the main job on a real Kubernetes with real pods, and leave it running (CLUSTER=local|kind|current)
	@$(BINARIES)/demo up

.PHONY: demo-down
demo-down: ## Remove everything that `make demo` made
	@case $${CLUSTER:-local} in \
	local) e2e/kube/cluster down --name confman-demo ;; \
	*) $(MAKE) build && $(BINARIES)/demo down ;; \
	esac

.PHONY: test
test: ## Run every test: units, storage, nodes over sockets, operator against a real API server, the story on real pods
	@e2e/test

.PHONY: e2e
e2e: build ## Run only the story on real pods
	@$(STEP) "Kubernetes programs" e2e/kube/cluster build
	@$(STEP) "story on real pods" cargo test --workspace --locked --test story -- --ignored --nocapture

.PHONY: proofs
proofs: prepare ## Play a million random workflows, or WORKFLOWS of them, and every order of six commands (release build)
	@$(STEP) "workflows, judged by their audit export" env CONFMAN_WORKFLOWS=$${WORKFLOWS:-1000000} \
	cargo test --workspace --locked --release --test audit -- however_many_workflows --nocapture
	@$(STEP) "every order of commands" env CONFMAN_MODEL_DEPTH=6 \
	cargo test --workspace --locked --release --test core -- model:: --nocapture

.PHONY: sim
sim: prepare ## Simulate clusters whose members crash and whose networks fail (SEEDS=5000 from SEED=1; TRACE=1 prints what happens)
	@$(STEP) "simulated clusters" env SEEDS=$${SEEDS:-5000} SEED=$${SEED:-1} $${TRACE:+TRACE=$$TRACE} \
	cargo test --workspace --locked --test sim -- whatever_the_seed --nocapture

.PHONY: schemathesis
schemathesis: build ## Call a node with what its OpenAPI description allows, and with what it does not (EXAMPLES=25 for each operation)
	@$(STEP) "schemathesis" e2e/schemathesis

.PHONY: chaos
chaos: build ## Kill, stop, cut off and unplug nodes under load, and judge what clients were told (SECONDS=300 SEED= NODES=3, as root)
	@$(STEP) "chaos" $(BINARIES)/chaos --seconds "$(or $(SECONDS),300)" --nodes "$(or $(NODES),3)" $(if $(SEED),--seed $(SEED))

.PHONY: power-cuts
power-cuts: build ## Cut the power of one node and of all, again and again, and look for what was lost (CUTS=100 SEED=, as root)
	@$(STEP) "power cuts" $(BINARIES)/chaos --kinds power-cut-of-all,power-cut-of-leader --rounds "$$((($(or $(CUTS),100) + 1) / 2))" $(if $(SEED),--seed $(SEED))

.PHONY: failover
failover: build ## Measure how long nothing can be written when the leader dies, and when it hands over (TIMES=50 of each, as root)
	@$(STEP) "failover" $(BINARIES)/chaos --kinds kill-leader,handover --rounds "$(or $(TIMES),50)" $(if $(SEED),--seed $(SEED))

.PHONY: fuzz
fuzz: prepare ## Feed everything that a node parses with what a fuzzer makes up (SECONDS=60 for each target, TARGETS="path body")
	@$(STEP) "fuzz targets" node/fuzz/run "$(or $(SECONDS),60)" $(TARGETS)

.PHONY: verify
verify: prepare ## Check format, lints, docs, dependencies, tidiness and generated files; writes nothing
	@$(STEP) "format" cargo fmt --all --check
	@$(STEP) "lints" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	@$(STEP) "lints of planted mistakes" cargo clippy --workspace --features confman-sim/planted-mistakes --test core --test sim --locked --quiet -- -D warnings
	@for crate in core api crds; do $(STEP) "confman-$$crate alone" cargo check --package confman-$$crate --locked --quiet; done
	@$(STEP) "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	@$(STEP) "bans, licences, sources" e2e/tool cargo-deny --all-features --locked check --hide-inclusion-graph bans licenses sources
	@$(STEP) "tidy, dependency arrows" cargo test --workspace --locked --quiet --test tidy --test dependencies
	@$(STEP) "generated files" cargo test --workspace --locked --quiet committed

.PHONY: fix
fix: prepare ## Rewrite what can be rewritten: format, clippy's suggestions, generated files
	@$(STEP) "lints" cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged --quiet
	@$(STEP) "format" cargo fmt --all
	@$(MAKE) generate

.PHONY: generate
generate: prepare ## Write the generated files again (every test named ...committed... holds one)
	@$(STEP) "generated files" env CONFMAN_WRITE_GENERATED=1 INSTA_UPDATE=always cargo test --workspace --quiet committed

.PHONY: bench
bench: prepare ## Measure Confman beside etcd on this machine (release build: about 15 minutes the first time)
	@$(STEP) "release build" cargo build --workspace --release --locked
	@$(STEP) "Kubernetes programs" e2e/kube/cluster build
	@$(LOAD) compare

.PHONY: bench-node
bench-node: prepare ## Measure a node beside the goals of docs/performance.md (release build)
	@$(STEP) "release build" cargo build --workspace --release --locked
	@$(STEP) "validation, permission" cargo bench --workspace --locked --quiet --bench goals
	@$(STEP) "stale reads of one node" $(LOAD) reads --nodes 1 --clients 64,256
	@$(STEP) "stale reads of three nodes" $(LOAD) reads --nodes 3 --clients 64,256
	@$(STEP) "pages of 100,000 keys" $(LOAD) pages
	@$(STEP) "10,000 watches" $(LOAD) watches

.PHONY: build
build: prepare ## Build every program
	@$(STEP) "build" cargo build --workspace --locked

.PHONY: prepare
prepare: ## Install what this machine lacks (Debian as root), or say what to install
	@e2e/prepare
