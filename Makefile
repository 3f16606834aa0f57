# One way to run everything. `make` lists the targets.
#
#   make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
# passes arguments on to pip, for example to name PyTorch's CPU-only packages.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
BIN := $(VENV)/bin
RUN := $(BIN)/python
# Build tools are pinned like everything else, so pip must not fetch newer ones into an isolated environment.
INSTALL := $(RUN) -m pip install --disable-pip-version-check -c constraints.txt $(PIP_ARGS)
SOURCES := $(wildcard lsr indexer data eval server tests bench tools)
NATIVE := $(shell find lsr/native indexer/native -name '*.cpp' -o -name '*.h' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-dev demo test test-slow check format sanitize fuzz bench clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.runtime  ## Create .venv and build and install the package with what it needs to run
setup-test: $(VENV)/.test
setup-dev: $(VENV)/.dev

$(RUN):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lsr needs Python 3.11 or newer; name one with `make PYTHON=python3.12 ...`")'
	$(PYTHON) -m venv "$(VENV)"

$(VENV)/.runtime: pyproject.toml CMakeLists.txt constraints.txt $(NATIVE) | $(RUN)
	@echo "Setting up $(VENV): about 480 MB to download at first (GPU builds of PyTorch: gigabytes), 3 minutes on 2 cores"
	$(INSTALL) -q -r requirements-build.txt
	$(INSTALL) --no-build-isolation -e .
	@$(RUN) tools/check_torch.py
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	$(INSTALL) -q --no-build-isolation -e '.[test]'
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	$(INSTALL) -q --no-build-isolation -e '.[test,dev]'
	@touch $@

demo: $(VENV)/.runtime  ## Index, evaluate and serve the built-in sample, and ask it a question over HTTP
	@$(RUN) -m lsr.cli.demo

test: $(VENV)/.test  ## Run the fast test suite
	$(RUN) -m pytest -m "not slow"

test-slow: $(VENV)/.test  ## Run the slow suite: full collections, faults, memory
	$(RUN) -m pytest -m slow

# The folders import below one root, so the type checker is shown a tree of links (an editable install is not seen).
build/src/lsr:
	@mkdir -p build/src/lsr
	@for name in $$(ls lsr); do ln -sfn "../../../lsr/$$name" "build/src/lsr/$$name"; done
	@for name in indexer data eval server; do ln -sfn "../../../$$name" "build/src/lsr/$$name"; done

.PHONY: build/src/lsr
check: build/src/lsr  ## Lint, format check, types (ruff, clang-format, mypy --strict)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)
	MYPYPATH=build/src $(BIN)/mypy -p lsr

format: ## Rewrite sources the way `check` wants them
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/clang-format -i $(NATIVE)

sanitize: $(VENV)/.test  ## Build with AddressSanitizer and UBSan and run the native property tests
	tools/sanitize.sh "$(abspath $(VENV))"

SECONDS ?= 300
fuzz: $(VENV)/.test  ## Damage an index in many ways under the sanitizers: make fuzz SECONDS=600
	tools/sanitize.sh "$(abspath $(VENV))" fuzz --large --seconds "$(SECONDS)" --seed "$$(date +%s)"

bench:  ## Measure against the peers (own environment, long): make bench SUITES="quality"; writes bench/results/
	PYTHON="$(PYTHON)" PIP_ARGS="$(PIP_ARGS)" SUITES="$(SUITES)" tools/bench.sh

clean:  ## Remove build outputs (keeps .venv)
	rm -rf build dist
