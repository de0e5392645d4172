# Everything that the project needs is installed by these rules; a bare machine with Python 3.11 or later and make will do.
PYTHON ?= python3
# The CPU build of PyTorch, 0.2 GB; the plain index gives the CUDA build on Linux, several GB.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP = -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

LIGHT = .venv-light/bin/python
FULL = .venv/bin/python

.PHONY: help demo test fuzz check build digits clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv-light/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-light
	$(LIGHT) $(PIP) --editable .
	@touch $@

# PyTorch first, so that its CPU build satisfies what follows. pip goes on where that index cannot be reached.
.venv/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(FULL) $(PIP) --retries 1 --timeout 30 --extra-index-url $(TORCH_INDEX) torch
	$(FULL) $(PIP) --editable '.[train,test,check]' build
	@touch $@

demo: .venv-light/done ## spoil and restore the package's own photograph and digits: a table, and demo/demo.png
	@mkdir -p demo
	$(LIGHT) -m pellucid demo --out demo/demo.png --force

test: .venv/done ## the tests, with all that they need
	$(FULL) -m pytest

fuzz: .venv/done ## 20,000 damaged files of every format: each read and written, or refused in one line
	$(FULL) tests/fuzz.py --count 20000

check: .venv/done ## formatting, lint, strict types
	$(FULL) -m ruff format --check src tests benchmarks
	$(FULL) -m ruff check src tests benchmarks
	$(FULL) -m mypy

digits: .venv/done ## train the seed's network on the package's own digits for three minutes, and draw what it learnt
	@mkdir -p demo
	$(FULL) -m pellucid train seed-digits --minutes 3 --out demo/seed-digits.onnx --force

build: .venv/done ## wheel and sdist, in dist/
	$(FULL) -m build --outdir dist .

clean: ## remove what these rules made
	rm -rf .venv .venv-light build dist demo
