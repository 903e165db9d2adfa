# Every target sets up what it needs: only Python 3.11 or later and git have to be there.
PYTHON ?= python3
BIN := .venv/bin
DEMO := src/flam/assets/demo

.PHONY: demo test lint clean

# the pinned torch is the CPU build wherever one is offered; constraints.txt records the tested versions
.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/.installed
	$(BIN)/flam detect $(DEMO)/street.ogg -p siren -p "dog barking" -p "car horn" -p "bicycle bell" \
		-p "someone talking" -p rain -p "glass breaking" --plot demo.png
	@echo 'The picture is demo.png. On your own recording: $(BIN)/flam detect FILE -p "a sound" -p "another sound"'

test: .venv/.installed
	$(BIN)/python -m pytest

lint: .venv/.installed
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache demo.png
