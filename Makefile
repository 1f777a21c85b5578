# make demo    watch the agents search a sample study (installs what is missing)
# make test    every check, as continuous integration runs it
# make help    the rest

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SEED ?= 0
# Real images and landmarks, where there are any: for training and for some tests.
DATA ?= $(or $(MIDRL_DATA),../shared/data)

# The first Python >= 3.11 that really starts; override with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test check format screenshots walk benchmark kill constraints \
	train-brain-afids train-digital-patient clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		awk -F'|' '{ printf "%-30s %s\n", $$1, $$2 }'

demo: $(STAMP)  ## play a search of the sample study; without a display, into demo-output/
	@$(BIN)/midrl demo --seed $(SEED)

test: check  ## lint, types, layers and all tests; what CI runs
	@$(BIN)/python -m pytest -q

check: $(STAMP)  ## lint, format, types and layers, without the tests
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)  ## rewrite the code in the house format
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format

train-brain-afids: $(STAMP)  ## remake the brain-afids agents from a seed
	@$(BIN)/midrl train brain-afids --data $(DATA)/brain-afids \
		--out runs/brain-afids --seed $(SEED) --resume

train-digital-patient: $(STAMP)  ## remake the digital-patient agents from a seed
	@$(BIN)/midrl train digital-patient \
		--out runs/digital-patient --seed $(SEED) --resume
	@$(BIN)/midrl calibrate runs/digital-patient/digital-patient \
		--patients 10 --jobs 2

walk: $(STAMP)  ## remake the walk through the docks: pictures and film
	@$(BIN)/python docs/make_walk.py --movie docs/images/walk.mp4

screenshots: $(STAMP)  ## remake the pictures of docs/images
	@$(BIN)/python docs/make_screenshots.py

benchmark: $(STAMP)  ## measure the speed of everything, some minutes
	@$(BIN)/python -m benchmarks --json speed.json

kill: $(STAMP)  ## kill annotating and learning programs 200 times each; nothing is lost
	@$(BIN)/python -m benchmarks.kill -n 200
	@$(BIN)/python -m benchmarks.kill_learning -n 200

venv: $(STAMP)  ## install into .venv

# An interpreter without pip is a half-made environment: make it again.
$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@.ci/system-packages $(PYTHON)
	@$(PYTHON) -m venv --clear $(VENV)

# Where an NVIDIA driver answers, torch is left free, which brings its CUDA build.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing napari-midrl into $(VENV): about 2.5 GB, some minutes the first time"
	@if nvidia-smi >/dev/null 2>&1; then \
		grep -v '^torch==' constraints.txt; else cat constraints.txt; fi > $(VENV)/constraints.txt
	@$(BIN)/pip install --quiet --editable '.[test]' --constraint $(VENV)/constraints.txt
	@touch $@

constraints: $(STAMP)  ## pin the versions that are installed now
	@$(BIN)/python .ci/pin_versions.py > $(VENV)/pins.txt && mv $(VENV)/pins.txt constraints.txt
	@touch $(STAMP)

clean:  ## remove the environment, caches and demo output
	rm -rf $(VENV) demo-output build dist .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
