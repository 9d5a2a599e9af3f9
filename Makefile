# Every target sets up what it needs: a virtual environment in .venv, and in it the extras it names.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help setup demo test setup-parties protocol soak clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

# One stamp per set of extras; pyproject.toml is what they depend on.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shotveil needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

.venv/.setup: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.setup-%: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$(subst -,$(comma),$*)]'
	@touch $@ .venv/.setup
comma := ,

setup: .venv/.setup  ## install the shotveil command into .venv

demo: .venv/.setup  ## classify the 10,000 MNIST test images through the optical link, write reports/demo.html
	$(BIN)/shotveil demo

test: .venv/.setup-test-gateware  ## linter, type check and all tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

setup-parties: .venv/.setup-parties  ## install what shotveil keys, serve, link and ask need

protocol: .venv/.setup-protocol  ## regenerate the messages between the parties from their .proto
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. host/protocol/messages.proto

soak: .venv/.setup-test  ## the long floors: 500 kills, 10^5 malformed messages, 10^4 sessions
	SHOTVEIL_SOAK=1 $(BIN)/pytest -s tests/host/test_soak.py

clean:  ## remove the environment and everything that commands wrote
	rm -rf .venv build reports sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
