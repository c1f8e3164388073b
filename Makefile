# Two commands do everything: `make run` starts the product, `make test` runs its tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
HOST ?= 127.0.0.1
REQUIREMENTS := $(if $(GPU),requirements-gpu.txt,requirements.txt)

.PHONY: help run run-deps dev-deps demo test lint types browser-test verify-long requirements translations clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: run-deps  ## start web and worker with the sample project; PORT=8001 HOST=0.0.0.0 GPU=1 to choose
	@$(BIN)/python manage.py up --port $(PORT) --host $(HOST)

run-deps: $(VENV)/.installed-$(REQUIREMENTS)  ## make the environment in .venv

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Quarry needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make run PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-$(REQUIREMENTS): $(REQUIREMENTS) | $(VENV)/bin/python
	@echo "Installing $(REQUIREMENTS) into $(VENV) (once; a few minutes)"
	@rm -f $(VENV)/.installed-requirements*.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	@touch $@

dev-deps: $(VENV)/.installed-dev  ## the environment plus what the tests need

$(VENV)/.installed-dev: $(VENV)/.installed-$(REQUIREMENTS) requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: run-deps  ## the whole road, unattended, on the sample data (simulated annotators)
	$(BIN)/python manage.py demo

test: dev-deps  ## lint, types and tests; needs no server, no browser, no GPU
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

browser-test: dev-deps  ## the pages in the system's Chromium
	$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

verify-long: dev-deps  ## long soaks whose figures stand in docs/
	$(BIN)/python -m pytest -m long --timeout=3600 $(PYTEST_ARGS)

requirements: dev-deps  ## compile the pinned requirement files
	$(BIN)/python tools/compile_requirements.py

translations: dev-deps  ## collect marked texts, compile the catalogues, say what is missing
	$(BIN)/python tools/translations.py collect
	$(BIN)/python tools/translations.py compile
	$(BIN)/python tools/translations.py check

clean:  ## remove the environment (never the data in var/)
	rm -rf $(VENV)
