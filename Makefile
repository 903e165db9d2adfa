# Every target sets up what it needs: only Python 3.11 or later and git have to be there.
PYTHON ?= python3
BIN := .venv/bin
DEMO := src/flam/assets/demo

.PHONY: demo test quick docs page page-check lint clean

CHECK := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)")'
# constraints.txt records the tested versions
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# what users need: no torch
.venv/.users: pyproject.toml constraints.txt
	$(CHECK)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(PIP) --editable '.[plot]'
	touch $@

# what tests need; the pinned torch is the CPU build wherever one is offered
.venv/.installed: pyproject.toml constraints.txt
	$(CHECK)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	touch $@

demo: .venv/.users
	$(BIN)/flam detect $(DEMO)/street.ogg -p siren -p "dog barking" -p "car horn" -p "bicycle bell" \
		-p "someone talking" -p rain -p "glass breaking" --plot demo.png
	@echo 'The picture is demo.png. On your own recording: $(BIN)/flam detect FILE -p "a sound" -p "another sound"'

test: .venv/.installed
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

quick: .venv/.installed
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile -m "not slow"

docs: .venv/.installed
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build

lint: .venv/.installed
	$(BIN)/ruff check src tests recipes benchmarks examples docs
	$(BIN)/ruff format --check src tests recipes benchmarks examples docs
	$(BIN)/mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache demo.png

# the page of flam serve: sources in web/, built files committed
page:
	cd web && npm ci && npm run check && npm run build

page-check: page
	git diff --exit-code --stat -- src/flam/server/static
	test -z "$$(git status --porcelain -- src/flam/server/static)"
