# `make demo` and `make test` need only Python >= 3.10 with venv, and a network; both install into .venv once.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: demo test lint docs schemas bad-input linkcheck

demo: $(BIN)/p2phd-eval
	$(BIN)/p2phd-eval demo

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The site, in build/docs/index.html; links inside it that lead nowhere are errors. It needs no network.
docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -b html docs build/docs

# The JSON Schemas in docs/schemas, from the types of the documents; a test says when they are out of date.
schemas: $(INSTALLED)
	$(BIN)/python docs/make_schemas.py

# The page of what is promised for bad input, from the lists in tests/bad_input and what the commands print.
bad-input: $(INSTALLED)
	$(BIN)/python docs/make_bad_input.py

# Links to other sites, over the network: apart from the tests, since others break them.
linkcheck: $(INSTALLED)
	$(BIN)/sphinx-build --keep-going -b linkcheck docs build/linkcheck

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --editable '.[test]'
	touch $(BIN)/p2phd-eval $@

# Without what the tests need.
$(BIN)/p2phd-eval: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --editable .
	touch $@
