# Every target sets up what it needs. PYTHON names the interpreter (3.11 or newer) that .venv is made from.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

NEWEST = for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done
PYTHON ?= $(shell $(NEWEST))
BIN := .venv/bin
# Nothing of the caller's Python reaches ours; pyright's wrapper asks the network for news otherwise.
unexport PYTHONPATH PYTHONHOME
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# More for pytest, as in: make test PYTEST_ARGS='-k humaneval'
PYTEST_ARGS ?=
# More for the benchmarks, as in: make bench BENCH_ARGS='--bench humaneval+ --rounds 1'
BENCH_ARGS ?=

.PHONY: help setup demo test lint fix lock image peers bench clean

help: ## Show this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Create .venv with the locked packages and this project
	@[ -n '$(PYTHON)' ] || { echo 'setup: needs Python 3.11 or newer and found none; run: make setup PYTHON=/path/to/python3.11' >&2; exit 4; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo 'setup: $(PYTHON) is no Python 3.11 or newer; run: make setup PYTHON=/path/to/python3.11' >&2; exit 4; }
	@'$(PYTHON)' scripts/setup_env.py

demo: setup ## Score reference and weakened solutions on HumanEval and print the leaderboard
	@$(BIN)/opencoder demo

test: setup ## Run the whole test suite (Docker tests are skipped where no daemon answers)
	@$(BIN)/python -P -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: setup ## Check style, types, layers and sizes
	@# pyright takes most of the time and one CPU, so it runs beside the others.
	@status=0; types=$$(mktemp); $(BIN)/pyright >"$$types" 2>&1 & pyright=$$!; \
	for check in 'ruff check .' 'ruff format --check .' mypy 'lint-imports --no-logo' \
		'python -P scripts/check_size.py' 'python -P scripts/check_tree.py'; do \
		$(BIN)/$$check || { status=1; echo "lint: failed: $$check" >&2; }; done; \
	wait $$pyright || { status=1; echo 'lint: failed: pyright' >&2; }; \
	cat "$$types"; rm -f "$$types"; exit $$status

fix: setup ## Repair what the linters can repair
	@$(BIN)/ruff check --fix --exit-zero .
	@$(BIN)/ruff format .

image: setup ## Build the sandbox images
	@$(BIN)/opencoder sandbox build

# Without an index address or a local path in the result: where packages come from is the machine's business.
# Extras stay on the pins: older pips otherwise resolve "name[extra]" as a second, unpinned requirement.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	--override scripts/lock-overrides.txt
lock: setup ## Resolve the dependencies anew and write the lock files
	@$(COMPILE) --upgrade --group dev --extra corpus --extra eval --extra openai --extra ray --extra synth --extra train --extra web --extra yaml -o requirements.lock pyproject.toml
	@$(COMPILE) --upgrade --extra evalplus -o benchmarks/peers.lock pyproject.toml

peers: setup ## Create .venv-peers with the tools that the benchmarks compare against
	@'$(PYTHON)' scripts/setup_env.py --venv .venv-peers --lock benchmarks/peers.lock --no-project

bench: peers ## Compare speed and memory with evalplus, datasketch, DuckDB, torchtitan, transformers and others, alternating
	@$(BIN)/python -P benchmarks/scoring.py --peer .venv-peers/bin/python $(BENCH_ARGS)
	@$(BIN)/python -P benchmarks/sandbox.py --peer .venv-peers/bin/python $(BENCH_ARGS)
	@$(BIN)/python -P benchmarks/service.py $(BENCH_ARGS)
	@$(BIN)/python -P benchmarks/corpus_minhash.py
	@$(BIN)/python -P benchmarks/corpus_exact.py
	@$(BIN)/python -P benchmarks/corpus_redact.py
	@$(BIN)/python -P benchmarks/corpus_build.py
	@$(BIN)/python -P benchmarks/synth_verify.py
	@$(BIN)/python -P benchmarks/llm_client.py --peer .venv-peers/bin/python
	@$(BIN)/python -P benchmarks/llm_client.py --memory
	@$(BIN)/python -P benchmarks/train_tokenizer.py
	@$(BIN)/python -P benchmarks/train_loader.py
	@$(BIN)/python -P benchmarks/train_step.py

clean: ## Remove environments and caches
	@rm -rf .venv .venv-peers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
