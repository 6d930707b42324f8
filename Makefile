# make run    a virtual environment, the installation, and the first study with its report
# make test   the same, with the test suite
PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/first_steps
BIN = $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint slow dft pardiso benchmarks

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

run: $(VENV)/.installed
	@if [ -e $(OUT)/journal.jsonl ]; then $(BIN)/uqmsm resume $(OUT); \
	else $(BIN)/uqmsm run studies/first_steps --out $(OUT); fi

# two processes; tests/conftest.py says what stays together
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2

# make slow   the tests that take minutes, those that render pages, and those that start a SLURM of their own
slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow or browser or slurm"

# make dft    what needs a code for electrons: one element computed again and compared with the shipped table
dft: $(VENV)/.installed-test
	GPAW_CONFIG=$(CURDIR)/.ci/gpaw_serial.cfg CC=g++ $(BIN)/python -m pip install --quiet --editable ".[test,dft]"
	$(BIN)/python -m pytest -m dft

# make pardiso   what needs Intel's PARDISO, a gigabyte
pardiso: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --editable ".[test,pardiso]"
	$(BIN)/python -m pytest -m pardiso

# make lint   formatting, types, and the floors of the house
lint: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make benchmarks   ratios, each from one interleaved run
benchmarks: $(VENV)/.installed-test
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done
