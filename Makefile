# Everything that is done with this repository. Each target makes the virtual environment that it needs; python3 (3.11 or newer) and make
# are all that has to be there before.

PYTHON ?= python3
JOBS ?= 2
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/.ready-tools
DEMO := $(VENV)/.ready-demo

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs bench bench-scale soak clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO) ## Walk through a whole sign-in, step-up, refresh and revocation
	$(BIN)/vestibule demo

test: $(TOOLS) ## Run every test; real peers are installed first where that is possible
	-$(BIN)/python -m tests.interop.setup
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

check: $(TOOLS) ## Lint, formatting, types, import direction
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(TOOLS) ## Put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(TOOLS) ## Write the generated pages of docs/reference
	$(BIN)/python -m scripts.reasons
	$(BIN)/python -m scripts.conformance

bench: $(TOOLS) ## Measure side by side with the public fastmcp and draw docs/images/benchmark.svg
	$(BIN)/python -m benchmarks

bench-scale: $(TOOLS) ## Measure 1, 2 and 4 processes and 1,000,000 sessions on each store (half an hour); writes docs/reference/scale.md
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.growth

soak: $(TOOLS) ## Kill servers, stores and keys under users for minutes on each store (SOAK_SECONDS=300), watch memory, fuzz for longer
	$(BIN)/python -m tests.scale
	$(BIN)/python -m benchmarks.soak
	VESTIBULE_FUZZ=$${VESTIBULE_FUZZ:-5000} $(BIN)/pytest -n $(JOBS) --timeout 0 tests/attacks/test_fuzz.py tests/properties/test_sessions_machine.py

clean: ## Remove what was made, the virtual environment included
	rm -rf $(VENV) build dist artifacts .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	rm -rf tests/interop/.venv-canaille tests/interop/.venv-locks tests/interop/node/node_modules

# The stamps are written last, so that an installation that was broken off is done again.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(DEMO): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[demo]'
	@touch $@

$(TOOLS): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[demo,fastmcp,key-value,mcp]' --group dev
	@touch $@
