# Every target sets up what it needs: a virtual environment in .venv, and in it the extras it names.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
# A file of tests runs in one process; files begin in the order that tests/conftest.py gives them.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder

# Every target with a line of help is a command, not a file.
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*##.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help:  ## list the targets
	@grep -E '^[a-z%-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

# One stamp per set of extras; pyproject.toml is what they depend on.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shotveil needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

.venv/.setup: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --editable .
	@touch $@

.venv/.setup-%: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --editable '.[$(subst -,$(comma),$*)]'
	@touch $@ .venv/.setup
comma := ,

setup: .venv/.setup  ## install the shotveil command into .venv

demo: .venv/.setup  ## classify the 10,000 MNIST test images through the optical link, write reports/demo.html
	$(BIN)/shotveil demo

setup-%: .venv/.setup-%  ## install an extra into .venv, e.g. setup-train
	@true

test: .venv/.setup-test  ## linter, type check and all tests
	$(BIN)/ruff check .
	@mkdir -p build/typed/shotveil
	@ln -sfn $(foreach folder,models gateware host sim,../../../$(folder)) build/typed/shotveil
	@ln -sfn ../../../host/shotveil/__init__.py build/typed/shotveil
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL)

docs: .venv/.setup-docs-networks  ## the documentation as a site, in build/site (half a minute)
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/site
	@echo "open build/site/index.html"

test-ground: .venv/.setup-test  ## 10^5 damaged files at every reader (some minutes)
	SHOTVEIL_MUTATIONS=100000 $(BIN)/pytest -n0 --timeout 0 tests/ground

# PYTHONS may name interpreters by path; a name that does not run is told and left out.
test-pythons:  ## the tests in TESTS (all) on every Python from 3.11 to 3.14 that is here (20 minutes each)
	@for python in $(or $(PYTHONS),python3.11 python3.12 python3.13 python3.14); do \
	    version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
	        || { echo "$$python is not here"; continue; }; \
	    $$python -m venv build/python$$version \
	        && build/python$$version/bin/python -m pip install --quiet --editable '.[test]' \
	        && build/python$$version/bin/pytest $(PARALLEL) $(TESTS) \
	        || exit 1; \
	done

test-train: .venv/.setup-test-train  ## the tests that need PyTorch (a large download)
	$(BIN)/pytest tests/host/run/test_training.py tests/host/commands/test_train.py \
	    tests/host/design/test_bench.py

test-wheel: .venv/.setup-test  ## the package as pip installs it: two digits through its gateware, the sdist's own tests
	SHOTVEIL_SOAK=1 $(BIN)/pytest --timeout 3600 tests/packaging

dist: .venv/.setup-test  ## build wheel and source distribution into dist/
	$(BIN)/python -m build

figures: .venv/.setup  ## draw the paper's figures into reports/figures (PNG, SVG and the numbers as CSV)
	$(BIN)/shotveil figures --out reports/figures

bench-training: .venv/.setup-train  ## time accuracy curves against dense forward passes in PyTorch (a minute)
	$(BIN)/shotveil bench

bench: .venv/.setup-test  ## a block's cocotb bench: make bench BLOCK=dac [SIM=icarus] [WAVES=1] [SEED=2]
	@$(if $(BLOCK),,echo "make bench needs BLOCK=…; make benches lists them" >&2; exit 2)
	env -u WAVES $(BIN)/shotveil lab bench $(BLOCK) --sim $(or $(SIM),verilator) --seed $(or $(SEED),1) $(if $(WAVES),--waves)

benches: .venv/.setup-test  ## list the cocotb benches and what each shows; make bench-all runs them
	@$(BIN)/shotveil lab bench

bench-all: .venv/.setup-test  ## run all cocotb benches, as [SIM=icarus] (many minutes)
	env -u WAVES $(BIN)/shotveil lab bench --all --sim $(or $(SIM),verilator) --seed $(or $(SEED),1)

results: .venv/.setup  ## reprint the README's table of results (half a minute)
	$(BIN)/shotveil results

drive-report: .venv/.setup-test  ## excess noise, rounding errors and speeds of the modulator drive
	$(BIN)/shotveil lab drive-report

waveform: .venv/.setup-test  ## simulate one frame of the drive, write reports/drive.vcd and reports/drive.png
	$(BIN)/shotveil lab drive-waveform

synth-drive: .venv/.setup-test  ## size and clock of the drive on ECP5 and Zynq; some minutes
	$(BIN)/shotveil lab synth drive

digitiser-report: .venv/.setup-test  ## accuracy, excess noise, acquisition and lock of the digitiser
	$(BIN)/shotveil lab digitiser-report
	$(BIN)/shotveil lab digitiser-report --vacuum 100000000
	$(BIN)/shotveil lab digitiser-report --sessions 200

digitiser-waveform: .venv/.setup-test  ## simulate the digitiser, write reports/digitiser.vcd and reports/digitiser.png
	$(BIN)/shotveil lab digitiser-waveform

synth-digitiser: .venv/.setup-test  ## size and clock of the digitiser on ECP5; many minutes
	$(BIN)/shotveil lab synth "digitiser phase-diverse" "digitiser homodyne"

screenshots: .venv/.setup-networks-lab-screenshots  ## pictures of reports at 390, 800 and 1400 px, light and dark, in reports/screenshots; needs Chromium
	$(BIN)/shotveil infer --images 40 --gain 1.3 --f2 0.3 --report reports/screenshots/infer.html
	$(BIN)/shotveil lab cosim --backend model --images 2 --processes 1 --report reports/screenshots/cosim.html
	$(BIN)/python -c "import numpy; from shotveil.models.networks.mnist import load_mnist; \
	    x, y = load_mnist(None, 'test'); numpy.savez('reports/screenshots/digits', x=x[:200], y=y[:200])"
	$(BIN)/shotveil compile mnist --data reports/screenshots/digits.npz --data-budget 10 \
	    --server reports/screenshots/server --client reports/screenshots/client \
	    --report reports/screenshots/compile.html
	$(BIN)/shotveil lab screenshots reports/screenshots/*.html --out reports/screenshots

registers: .venv/.setup  ## write the table of registers, docs/registers.md, from the one map
	$(BIN)/shotveil registers > docs/registers.md

board = $(BIN)/shotveil lab board $(1) $(if $(LINK),--link $(LINK)) $(if $(SAMPLES),--samples-per-symbol $(SAMPLES))
bitstream: .venv/.setup-boards  ## bitstreams of server and client, with converters and looped back: make bitstream [BOARD=ulx3s] [LINK=usb] [SAMPLES=2] (an hour)
	$(call board,$(or $(BOARD),ecpix5))
	$(call board,$(or $(BOARD),ecpix5)) --loopback

redpitaya: .venv/.setup-boards  ## Vivado project, program and installer for Red Pitaya over Ethernet, and whether it fits: make redpitaya [SAMPLES=2]
	$(call board,red_pitaya)

formal: .venv/.setup-test  ## prove what the gateware promises, and that each proof can fail
	$(BIN)/shotveil lab formal

synth: .venv/.setup-test  ## measure size and clock of all blocks and tops, compare with the committed figures (BLOCKS=… for some)
	$(BIN)/shotveil lab synth $(BLOCKS)

synth-update: .venv/.setup-test  ## measure them, write sim/synthesis/synthesis.json and docs/synthesis.md
	$(BIN)/shotveil lab synth --update $(BLOCKS)

cosim: .venv/.setup-test  ## 100 digits through the gateware of both nodes, write reports/cosim.html (6 minutes)
	$(BIN)/shotveil lab cosim

protocol: .venv/.setup-protocol  ## regenerate the messages between the parties from their .proto
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. host/protocol/messages.proto

grants: .venv/.setup-test  ## 10^5 random hosts against the transmitter's gateware: no row beyond the grant
	$(BIN)/shotveil lab grants --scripts 100000

layouts: .venv/.setup-test  ## 50 random layouts on each compiled receiver: equal to the model, nothing lost
	$(BIN)/shotveil lab layouts

soak-node: .venv/.setup-test  ## N=10000 hosts killed at any byte, settings written during batches: the next batch is the model's (an hour)
	$(BIN)/shotveil lab hosts --kills $(or $(N),10000) --seed $(or $(SEED),1)

mutations: .venv/.setup-test  ## plant 40 changes in gateware and models, which their tests have to find (many minutes)
	$(BIN)/shotveil lab mutations $(FILE)

coverage: .venv/.setup-test  ## branch coverage of leakage, ledger, verification and parties, at least 95 % together (5 minutes)
	$(BIN)/pytest $(PARALLEL) --cov-branch --cov-fail-under 95 \
	    --cov-report term-missing:skip-covered \
	    $(foreach room,leakage ledger verification parties,--cov host/$(room) tests/host/$(room))

mutation: .venv/.setup-test  ## plant N=200 random changes in GROUP=evidence or gateware, or both; say what survives (hours)
	$(BIN)/shotveil lab mutations $(FILE) --drawn $(or $(N),200) --seed $(or $(SEED),1) $(if $(GROUP),--group $(GROUP))

soak: .venv/.setup-test  ## the long floors: 500 kills, 10^5 malformed messages at each party, 10^4 sessions (an hour)
	SHOTVEIL_SOAK=1 $(BIN)/pytest -s --timeout 0 tests/host/parties/test_soak.py

soak-evidence: .venv/.setup-test  ## whole lives of 10^4 clients: who is noticed, who is refused, what is charged (half an hour)
	SHOTVEIL_SOAK=1 $(BIN)/pytest -s -n0 --timeout 0 tests/host/verification/test_lives.py

soak-ledger: .venv/.setup-test  ## a ledger of 10^6 events: start, memory, reserves (two minutes)
	SHOTVEIL_SOAK=1 $(BIN)/pytest -s -n0 --timeout 0 tests/host/ledger/test_age.py

soak-kills: .venv/.setup-test  ## 100 kills of link, server and client, 100 cuts of the network; one hostile client of 50 (20 minutes)
	SHOTVEIL_SOAK=1 $(BIN)/pytest -s -n0 --timeout 0 tests/host/parties/test_kills.py tests/host/parties/test_hostile.py

soak-fleet: .venv/.setup-test  ## the ledger of a fleet: 10^5 events moved there and back, then 8 servers x 50 clients with kills (minutes)
	SHOTVEIL_SOAK=1 $(BIN)/pytest -s -n0 --timeout 0 tests/host/ledger/test_migration.py tests/host/operations/test_load.py

soak-reserves: .venv/.setup-test  ## RESERVES=1000000 by a fleet of 8 servers x 50 clients with kills: none above the budget (half an hour)
	SHOTVEIL_RESERVES=$(or $(RESERVES),1000000) $(BIN)/pytest -s -n0 --timeout 0 tests/host/operations/test_load.py -k million

console-report: .venv/.setup-test  ## what the console costs, with Chromium: SECONDS=1800 for its memory (a minute)
	$(BIN)/python -c 'from tests.host.console.measure import main; main("report", $(or $(SECONDS),60))'

console-pictures: .venv/.setup-test  ## pictures of the console's page in both themes, in reports/console
	$(BIN)/python -c 'from tests.host.console.measure import main; main("pictures", "reports/console")'

soak-link: .venv/.setup-test  ## 10^6 packets over a wire that damages, loses and repeats them (two minutes)
	$(BIN)/shotveil lab link-soak

clean:  ## remove the environment and everything that commands wrote here; say where the cache is
	-@$(BIN)/python -c "from shotveil.host.run.cache import cache_path; print('the cache stays:', cache_path())"
	rm -rf .coverage* .venv build dist reports sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
