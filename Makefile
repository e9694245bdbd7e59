# Two commands do all the set-up they need: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(if $(shell command -v $(name) && $(name) -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo yes),$(name))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# Two workers: the tests train real models, and more of them than cores only get in each other's way.
WORKERS ?= 2
DEVICE ?= cuda

.DEFAULT_GOAL := help
.PHONY: help demo test lint types imports tests test-gpu test-logout fuzz soak bench-probe bench-rounds bench-review bench-terminal bench-statistics snapshots pictures install locale figures wheel clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

demo: .venv/.demo  ## the whole way on handwritten digits: screens in a terminal, unattended in a pipe
	$(BIN)/tunebook demo demo

test: .venv/.dev lint types imports tests  ## everything that CI checks

lint: .venv/.dev  ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev  ## basedpyright
	$(BIN)/basedpyright

imports: .venv/.dev  ## import-linter: which room may import which
	$(BIN)/lint-imports --no-logo

tests: .venv/.dev  ## pytest
	$(BIN)/python -m pytest -n $(WORKERS)

test-gpu: .venv/.dev  ## on a machine with an NVIDIA GPU (DEVICE=mps: of Apple): what CI has none for, and the tests of training with their trials on it
	$(BIN)/python -m pytest --device $(DEVICE) --durations=10 -rs tests/test_gpu.py $(addprefix tests/test_,$(addsuffix .py,train serve ghost_norm sampled_evaluation supervisor))

test-logout: .venv/.dev  ## as root, with the packages systemd-container and openssh-server: what logging out ends, with a real systemd
	$(BIN)/python -m pytest tests/logging_out.py

fuzz: .venv/.dev  ## ten thousand random keys on the screens, on a project with hostile names
	@for seed in 1 2 3 4 5 6 7 8 9 10; do $(BIN)/python -m tests.fuzz 1000 $$seed || exit 1; done

soak: .venv/.dev  ## faults by the dozen: SOAK_ROUNDS=50 disturbed rounds; takes long
	$(BIN)/python -m pytest tests/soak.py

snapshots: .venv/.dev  ## every page in both languages as it looks now, for the tests to compare with
	$(BIN)/python -m tests.shots en tests/snapshots/en
	$(BIN)/python -m tests.shots zh_CN tests/snapshots/zh_CN

pictures: .venv/.dev  ## the pictures of the README, drawn by the application
	$(BIN)/python -m tests.shots en tests/snapshots/en pictures

bench-rounds: .venv/.dev  ## rounds against Optuna and Ray Tune, into benchmarks/results/rounds.md; takes long
	$(PIP) --quiet --upgrade --target .venv/ray 'ray[tune]>=2.50'
	$(BIN)/python -m benchmarks.rounds --write

bench-probe: .venv/.dev  ## the batch-size probe against Lightning, Accelerate and Ludwig's rule, into benchmarks/results/probe.md, which says how long it took
	$(BIN)/python -m venv .venv/peers
	$(BIN)/python -c "$$PEERS_SEE_OURS"
	.venv/peers/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt 'lightning==2.6.6' 'accelerate==1.15.0'
	$(BIN)/python -m benchmarks.probe --write

# The peers use the torch and timm of .venv, but .venv does not see them: transformers loads Accelerate wherever it finds it.
define PEERS_SEE_OURS
import glob, sysconfig
for folder in glob.glob(".venv/peers/lib/python*/site-packages"):
    open(folder + "/ours.pth", "w").write("import site; site.addsitedir(%r)\n" % sysconfig.get_path("purelib"))
endef
export PEERS_SEE_OURS

bench-terminal: .venv/.dev  ## bytes that the screens send, beside two other chart widgets and LEET, into benchmarks/results/terminal.md
	$(PIP) --editable '.[bench]'
	$(BIN)/python -m venv .venv/leet
	.venv/leet/bin/python -m pip install --disable-pip-version-check 'wandb==0.31.0'
	$(BIN)/python -m benchmarks.terminal --write

bench-review: .venv/.dev  ## the review of 1,000 trials, beside optuna-dashboard, into benchmarks/results/review.md
	$(PIP) --editable '.[bench]'
	$(BIN)/python -m benchmarks.review --write

bench-statistics: .venv/.dev  ## error rates of review and launch by simulation, into benchmarks/results/statistics.md
	$(BIN)/python -m benchmarks.statistics --write

locale: .venv/.dev  ## collect the texts, and compile the translations
	$(BIN)/python -m tests.translate update
	$(BIN)/python -m tests.translate compile

figures: .venv/.dev  ## parameters and compute of the catalogue's architectures, from the installed libraries
	$(BIN)/python -m tests.figures --write

install: .venv/.demo  ## only the virtual environment, to use .venv/bin/tunebook

wheel: .venv/.dev  ## a wheel in dist/
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .

clean:  ## remove the virtual environment, the demonstration and what tools left
	rm -rf .venv demo build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Tunebook needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt-get install python3-venv); none was found."; exit 2; }
	@echo "Making the virtual environment .venv with $(PYTHON)"
	$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Tunebook with torch, timm and transformers into .venv (about 6 GB; takes some minutes)"
	$(PIP) --editable '.[demo]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Tunebook with torch, timm, transformers and the tools for its tests into .venv (about 6 GB; takes some minutes)"
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/.demo
