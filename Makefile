# What people and CI run. `make` or `make help` lists it.
#
# The environment `.venv` is made once; stamp files inside it say what has been installed, so that
# a second start asks no package index.

VENV ?= .venv
TRAIN ?= .venv-train
BIN := $(VENV)/bin
# The first Python that is new enough; another one: make run PYTHON=/path/to/python3
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$name; break; fi; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The pins are for 3.11; see the head of the file.
PINS := $$($(BIN)/python -c 'import sys; print("-c constraints.txt" * (sys.version_info[:2] == (3, 11)))')
# In CI nothing may be skipped: what can't run there has not been tested.
NO_SKIPS := $(if $(filter-out 0 false,$(CI)$(XINQING_CI)),-p tests.no_skips)
# Else the first start does it, and where nothing may be written (PYTHONDONTWRITEBYTECODE) every one.
COMPILE := $(BIN)/python -m compileall -q bot handlers knowledge
ARGS ?=
# What no change may fall below: measured on what the classifier never learned from.
HELD_OUT := knowledge/risk/examples/heldout
FLOOR := --recall 0.89 --alarms 0.17
# One made again, from the committed part alone and on any processor, may be a little worse.
TRAINED_FLOOR := --recall 0.72 --alarms 0.20

# The whole of the tests: two at a time, file by file; then, one by one, those that start processes or
# a browser themselves and would wait for each other.
PYTEST := $(BIN)/python -m pytest -q $(NO_SKIPS)
# The vectors of the handbook, once for every service that the tests start.
VECTORS := XINQING_DATA_DIR=$(VENV)/share/xinqing $(BIN)/xinqing index >/dev/null
ifeq ($(ARGS),)
TESTS := $(VECTORS) && $(PYTEST) -n 2 --dist loadfile -m "not slow and not browser" && $(PYTEST) -m "slow or browser"
else
TESTS := $(PYTEST) $(ARGS)
endif

.DEFAULT_GOAL := help
.PHONY: help run setup dev test test-postgresql check eval-risk eval-handbook risk-model fmt bench docs clean \
	reset-demo

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

run: $(VENV)/.installed-run ## install, set up and start on this machine's port 8600
	@$(BIN)/xinqing setup
	@exec $(BIN)/xinqing serve $(ARGS)

setup: $(VENV)/.installed-run ## install and set up, without starting
	@$(BIN)/xinqing setup

dev: $(VENV)/.installed-dev ## install what development needs

test: $(VENV)/.installed-dev ## run the tests; some of them: make test ARGS=tests/unit
	@$(TESTS)

test-postgresql: $(VENV)/.installed-dev ## what touches a database again, on XINQING_TEST_POSTGRESQL_URL
	@export XINQING_TEST_ENGINE=postgresql; $(TESTS)

check: $(VENV)/.installed-dev ## format, lint, types, layers, handbook, generated pages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/xinqing handbook check
	@$(BIN)/python scripts/settings_page.py --check
	@$(BIN)/python scripts/rights_page.py --check

eval-risk: $(VENV)/.installed-dev ## the risk screen on texts it never learned from, group by group
	@$(BIN)/xinqing eval risk --examples $(HELD_OUT) $(FLOOR)

eval-handbook: $(VENV)/.installed-dev ## the exam of the search; ARGS="--half odd --faults 10"
	@$(BIN)/xinqing eval handbook $(ARGS)

risk-model: $(TRAIN)/.installed ## train the risk classifier on the committed examples, measure it
	@$(TRAIN)/bin/xinqing risk-model train build/risk-model $(ARGS)
	@XINQING_RISK_MODEL=build/risk-model $(TRAIN)/bin/xinqing eval risk --examples $(HELD_OUT) \
		$(TRAINED_FLOOR)

fmt: $(VENV)/.installed-dev ## format and mend what can be mended by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev ## write the generated pages again
	@$(BIN)/python scripts/settings_page.py
	@$(BIN)/python scripts/rights_page.py

bench: $(VENV)/.installed-dev ## measure callbacks, as docs/benchmarks.md shows them
	@$(BIN)/xinqing bench callbacks $(ARGS)

clean: ## remove caches and build results; never the data folder, never the environment
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -path ./$(VENV) -prune -o -path ./var -prune -o -name __pycache__ -type d -print \
		| xargs rm -rf

reset-demo: ## delete the data folder var/ after asking, to begin the demonstration again
	@printf 'Delete var/ with its database, secrets and messages? Type yes: '; \
	read answer && test "$$answer" = yes && rm -rf var && echo 'Deleted.' || echo 'Kept.'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed (python3.11 or python3).'; exit 1; }
	@echo 'Making the environment $(VENV) …'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'On Debian and Ubuntu: apt install python3-venv'; exit 1; }

$(VENV)/.installed-run: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing what the service runs on (one to three minutes, once) …'
	@$(PIP) $(PINS) -e '.[pdf]'
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing what development needs (one to three minutes, once) …'
	@$(PIP) $(PINS) -e '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.installed-run

# An environment of its own: torch is large, and nothing else needs it. Where the package index
# gives builds for graphics cards, set PIP_EXTRA_INDEX_URL first; see docs/risk.md.
$(TRAIN)/.installed: pyproject.toml constraints.txt
	@echo 'Installing what training needs (torch; a few minutes, once) …'
	@test -x $(TRAIN)/bin/python || $(PYTHON) -m venv $(TRAIN)
	@$(TRAIN)/bin/python -m pip --disable-pip-version-check install --quiet \
		-c constraints.txt -e '.[model-build]'
	@touch $@
