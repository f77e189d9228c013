# Everything a newcomer needs: `make demo` shows the main job, `make test` checks it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What the demo takes: SOURCE is a camera, video, folder or address (default: a synthetic street), MODEL a zoo name.
SOURCE ?=
MODEL ?= plates
# What `make test` takes: files, folders or options of pytest (default: all tests).
TESTS ?=

.PHONY: help env frameworks tritonclient demo test lint format docs bench clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

env: $(READY) ## Make the environment in .venv (once; again only when pyproject.toml changes)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Astraea needs Python 3.11 or newer; set PYTHON=python3.12, for instance" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

frameworks: $(READY) ## Add PyTorch and TensorFlow to the environment, for the tests that need them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 tensorflow-cpu ai-edge-litert

tritonclient: .venv-tritonclient/.ready ## Make the environment of a client that a test needs (it wants an older ml_dtypes)

.venv-tritonclient/.ready:
	$(PYTHON) -m venv .venv-tritonclient
	.venv-tritonclient/bin/python -m pip install --quiet --disable-pip-version-check 'tritonclient[http]>=2.60'
	@touch $@

demo: $(READY) ## Deploy the plate service on two nodes and offload frames to it over a failing link
	@$(BIN)/python -m demos.quickstart --model $(MODEL) $(if $(SOURCE),--source $(SOURCE))

test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest $(TESTS)

lint: $(READY) ## Check style, types and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## Format the code and apply safe fixes
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(READY) ## Build the documentation's site in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(READY) ## Measure what serving a frame adds to computing it
	@$(BIN)/python -m benchmarks.overhead

clean: ## Remove the environment and caches
	rm -rf $(VENV) .venv-tritonclient demo-report site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
