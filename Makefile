# The front door. Every target installs the Debian packages it lacks (tools/packages.txt), says so
# before, and works from a clean clone. The work itself is in CMakeLists.txt and tools/.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
INSTALL := @tools/install_packages.sh
SEEDS ?= 200
SECONDS ?= 60
ROUNDS ?= 20
SEED ?= 1
PARALLEL ?= 2
STORE ?= both
CLIENTS ?= librdkafka,java,franz-go
RESUME ?=

.PHONY: help
help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
	  while IFS='|' read -r target text; do printf '%-22s%s\n' "$$target" "$$text"; done

.PHONY: demo
demo: ## Kill the leading region of three under load, and count what is missing
	$(INSTALL) build demo
	@tools/build.sh release magpie magpie-load
	@$(PYTHON) tools/demo.py

.PHONY: demo-power-loss
demo-power-loss: ## Pull a node's plug under load, three times, and show that nothing is missing
	$(INSTALL) build demo
	@tools/build.sh release magpie magpie-load magpie_power_loss
	@$(PYTHON) tools/demo_power_loss.py

.PHONY: build
build: ## Build the release binary, build/release/magpie
	$(INSTALL) build
	@tools/build.sh release magpie

.PHONY: test
test: ## Run all tests that need no downloads; the last line sums them up
	$(INSTALL) build test fuzz
	@$(PYTHON) tools/run_tests.py test

.PHONY: test-clients
test-clients: ## Run the test suites of real Kafka clients against Magpie (downloads them)
	$(INSTALL) build clients
	@$(PYTHON) tools/run_tests.py clients

.PHONY: sim
sim: ## Run SEEDS=N simulated clusters with faults (default 200)
	$(INSTALL) build test
	@tools/build.sh release magpie_sim_program
	@build/release/magpie_sim --seeds $(SEEDS)
	@build/release/magpie_sim --regions --seeds $(SEEDS)

.PHONY: chaos
chaos: ## Run ROUNDS=N real clusters with faults from SEED=S on; writes docs/chaos.md (downloads clients)
	$(INSTALL) build test clients chaos
	@tools/build.sh release magpie magpie-load
	@$(PYTHON) test/chaos/run.py --build build/release --rounds $(ROUNDS) --seed $(SEED) \
	  --parallel $(PARALLEL) --store $(STORE) --clients $(CLIENTS) --clocks \
	  --results build/chaos/rounds.jsonl $(if $(RESUME),--resume) --page docs/chaos.md

.PHONY: fuzz
fuzz: ## Run every fuzz target for SECONDS=N each (default 60)
	$(INSTALL) build fuzz
	@$(PYTHON) tools/fuzz.py --seconds $(SECONDS)

.PHONY: bench
bench: build ## Compare with Apache Kafka, then bench-regions: over an hour; writes docs/benchmarks*.md
	$(INSTALL) bench
	@$(PYTHON) bench/run.py
	@$(MAKE) bench-regions

.PHONY: bench-regions
bench-regions: ## Measure several regions, beside MirrorMaker 2; writes docs/benchmarks-regions.md
	$(INSTALL) build bench demo
	@tools/build.sh release magpie magpie-load magpie-relay
	@$(PYTHON) bench/regions.py

.PHONY: tidy
tidy: ## Run clang-tidy over src/, tests excepted
	$(INSTALL) build test tidy
	@tools/build.sh debug
	@run-clang-tidy-14 -quiet -p build/debug -j "$$(nproc)" \
	  '/src/[a-z]+/[a-z0-9_]+(?<!_test)(?<!_fuzz)\.cc$$'

.PHONY: fmt
fmt: ## Format the C++ sources in place
	$(INSTALL) fmt
	@find $(wildcard src bench test) -name '*.cc' -o -name '*.h' | xargs -r clang-format-14 -i

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf build
