# make demo   see it all happen: data set, store, teacher, student, a picture (./demo)
# make test   formatter, linter, type checker, all tests that need no GPU
#
# Both need python3 (3.11 or newer) and nothing else: they make their own environment
# in .venv. PYTHON=... names another Python, JOBS=... the number of test processes.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test

help:
	@sed -n 's/^# \{0,1\}//; /^$$/q; p' Makefile

$(VENV)/installed: setup.cfg pyproject.toml
	@sh tools/bootstrap.sh "$(PYTHON)" "$(VENV)" "[cuda,training]"

$(VENV)/installed-test: setup.cfg pyproject.toml
	@sh tools/bootstrap.sh "$(PYTHON)" "$(VENV)" "[test]"

demo: $(VENV)/installed
	@sh tools/demo.sh "$(BIN)" demo

test: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy motion_shards pipeline training
	$(BIN)/pytest -m "not gpu" -n $(JOBS) --dist loadfile --durations=10
