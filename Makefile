# make demo | test | lint: each makes .venv with the pinned stack when it is missing or out of date.
#   PYTHON=python3.12                another interpreter for .venv than python3.11, else python3
#   PIP_ARGS='--extra-index-url URL' more arguments for pip, for example an index of CPU wheels
SHELL := /bin/bash
VENV := .venv
INSTALLED := $(VENV)/.installed
BIN := $(VENV)/bin

# Images of the tests on real data, where a checkout has them beside it.
ifneq ($(wildcard ../shared/data/.),)
export DTS_DATA_ROOT ?= $(abspath ../shared/data)
endif

.PHONY: demo test lint
demo: $(INSTALLED)
	$(BIN)/python tools/demo.py

# Two single-threaded processes are faster than one with two threads.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy dts

$(INSTALLED): constraints.txt setup.py tools/ci/make_venv.sh
	bash tools/ci/make_venv.sh $(VENV) -c constraints.txt -e '.[lite,pretrained,report,export,docs,dev]'
	@touch $@
