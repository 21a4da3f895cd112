# The words that people and CI use. Each works from a fresh clone with Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 3
export PIP_NO_WARN_SCRIPT_LOCATION=1
# Empty, whatever it was: hundreds of processes start here, each of which would compile all of it.
export PYTHONDONTWRITEBYTECODE=

.PHONY: help setup demo serve lint test test-long clients test-clients bench docs lock clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or newer is needed, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: .venv/ready  ## make .venv with everything in it

demo: .venv/ready  ## say a sentence through the gateway and write it down again
	$(BIN)/voxway demo $(ARGS)

serve: .venv/ready  ## start the gateway on this machine
	$(BIN)/voxway serve $(ARGS)

lint: .venv/ready  ## ruff and mypy
	$(BIN)/ruff check src tests bench tools
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/mypy

test: .venv/ready  ## run every test, file by file in JOBS processes
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

test-long: .venv/ready  ## half-minute races for slots, 200 bad networks: what `make test` does in short
	VOXWAY_TEST_RACE=30 VOXWAY_TEST_SCHEDULES=200 $(BIN)/pytest tests/stores/test_slots.py \
		tests/gateway/test_limits.py tests/client/test_bad_networks.py $(ARGS)

clients: .venv/ready  ## install real client packages, each in an environment of its own
	$(BIN)/python tests/clients/venvs.py

test-clients: clients  ## run them, unmodified, against a gateway
	VOXWAY_TEST_CLIENTS=1 $(BIN)/pytest tests/clients $(ARGS)

bench: .venv/ready  ## measure, and write docs/benchmarks.md
	$(BIN)/python -m bench $(ARGS)

docs: .venv/ready  ## write docs/reference anew from the code
	$(BIN)/python -m tools.reference

lock: pyproject.toml  ## resolve the dependencies anew, with hashes, for every Python and platform
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--no-header --all-extras --python-version 3.11 -o requirements.lock pyproject.toml
	rm -rf .venv-lock

clean:  ## remove what was made
	rm -rf .venv .venv-clients .mypy_cache .ruff_cache .pytest_cache
