# One way to do each thing; the README and CI call these lines.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup test lint check docs site bench lower-bounds clean

$(BIN)/automl-img: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(BIN)/automl-img
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

setup: $(BIN)/automl-img  ## install automl-img into .venv

test: $(VENV)/.dev  ## run the tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev  ## check style, types, the direction of imports, and the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: lint test  ## what CI runs

bench: $(VENV)/.dev  ## the 10-minute recipe on three seeds
	$(BIN)/python benchmarks/fashion.py

lower-bounds: $(VENV)/.dev  ## the quick tests with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear build/lower-bounds
	$(BIN)/python .ci/lower_bounds.py > build/lower-bounds.txt
	PIP_CONSTRAINT=build/lower-bounds.txt build/lower-bounds/bin/python -m pip install --quiet --editable '.[test]'
	build/lower-bounds/bin/python -m pytest -n 3 --dist loadfile -m "not train and not e2e" --ignore tests/pages \
		--deselect tests/test_docs.py::test_the_reference_pages_follow_from_the_code  # an older typer words its help otherwise

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

docs: $(VENV)/.dev  ## write the reference pages that follow from the code
	$(BIN)/python docs/generate.py

site: docs  ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
