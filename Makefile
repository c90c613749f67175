# Every command of this repository. Only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One version of every package, for everyone (`make lock`).
LOCK := requirements/constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --constraint $(LOCK) --build-constraint $(LOCK)
TESTED := embedded,eval,gpu,llama,openvino,otel
ARGS ?=
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
# Without its bytecode, every process that a test starts would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE
# The page that the API serves at /; rebuilt when one of its sources has changed.
DASHBOARD := api/dashboard
PAGE := $(DASHBOARD)/dist/index.html
SOURCES := $(shell find $(DASHBOARD) \( -name node_modules -o -name dist \) -prune -o -type f -print)

.PHONY: help demo test test-quick test-images test-chart test-upgrade test-latest test-lowest lock check docs screenshots bench bench-service dev generated dashboard image audit sbom release-check release clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(INSTALLED)-demo $(PAGE) ## Prune a small real model through the whole service and print the figures
	@$(BIN)/python -m demo $(ARGS)

# With "=", because pytest takes a file that exists after an option that it does not know yet as tests.
test-quick: $(INSTALLED)-dev $(PAGE) ## Run the tests that start no process, no server and no browser
	$(PYTEST) -n logical --maxprocesses 8 --quick --durations-file=build/durations-quick.txt $(ARGS)

test: $(INSTALLED)-dev $(PAGE) ## Run every test that this machine can run
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; \
	then marks=''; \
	else marks='not gpu'; echo 'No CUDA device here: tests marked gpu are deselected.'; fi; \
	$(PYTEST) -n 4 --durations-file=build/durations.txt -m "$$marks" $(ARGS)

test-images: $(INSTALLED)-images ## Build the images, start the compose file, run jobs while containers are killed; needs root and podman
	$(PYTEST) tests/deploy/images $(ARGS)

test-chart: $(INSTALLED)-chart ## Render the Helm chart and validate it for three versions of Kubernetes
	$(PYTEST) tests/deploy/chart $(ARGS)

test-upgrade: $(INSTALLED)-dev ## Replace the processes of an older version, whose Python is OLD, while jobs run
	$(BIN)/python -m tests.upgrades.rolling --old $(OLD) $(ARGS)

test-latest: ## Run the quick tests and the demo with the newest of all packages, in an environment of its own
	mkdir -p build && : > build/latest.txt
	$(test-with-these-versions)

test-lowest: $(INSTALLED)-dev ## The same with the lowest versions that pyproject.toml allows
	$(BIN)/python -m tools.lock --lowest build/lowest.txt
	$(test-with-these-versions)

# What other packages deprecate is listed, and is no error.
define test-with-these-versions
	rm -rf $(VENV)-$(@:test-%=%)
	$(MAKE) VENV=$(VENV)-$(@:test-%=%) LOCK=build/$(@:test-%=%).txt test-quick ARGS='-W default'
	$(MAKE) VENV=$(VENV)-$(@:test-%=%) LOCK=build/$(@:test-%=%).txt demo
endef

lock: $(INSTALLED)-dev ## Write requirements/ for what pyproject.toml names; ARGS=--upgrade takes the newest of all packages
	$(BIN)/python -m tools.lock $(ARGS)

check: docs ## Lint, types, import rules, links of the documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.dashboard check

docs: $(INSTALLED)-dev ## Build the documentation as a site in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

screenshots: $(INSTALLED)-dev $(INSTALLED)-demo $(PAGE) ## Take the pictures of the README again, from real jobs; needs chromium
	$(BIN)/python -m tools.screenshots

bench: $(INSTALLED)-dev $(INSTALLED)-demo ## Measure time, memory and quality; print the figures and write them to benchmarks/results
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.plans
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.ranks
	$(BIN)/python -m benchmarks.compact

bench-service: $(INSTALLED)-dev ## Measure the service under many pollers, many streams and long lists
	$(BIN)/python -m benchmarks.polling
	$(BIN)/python -m benchmarks.requests
	$(BIN)/python -m benchmarks.lists
	$(BIN)/python -m benchmarks.tiny

dev: $(INSTALLED)-dev $(PAGE) ## Serve on http://127.0.0.1:8000 from this checkout
	@$(BIN)/zpruner serve $(ARGS)

generated: $(INSTALLED)-dev ## Write the files that are made from code: the dashboard's types and texts, the schema of a job's fields, tables of the docs, settings' names
	$(BIN)/python -m tools.dashboard types
	$(BIN)/python -m tools.job_fields
	$(BIN)/python -m tools.descriptions
	$(BIN)/python -m tools.settings_reference

dashboard: $(PAGE) ## Build the dashboard, with Node.js from the machine or from PyPI

image: ## Build the two container images
	docker build --file Dockerfile.gpu --target api --tag zpruner-api .
	docker build --file Dockerfile.gpu --target worker --tag zpruner-worker .

audit: $(INSTALLED)-audit ## Look up known vulnerabilities of the locked packages of the images, and of the dashboard's
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/worker.txt
	cd $(DASHBOARD) && npm audit --omit=dev

sbom: $(INSTALLED)-audit ## List the locked packages of the images as CycloneDX, in build/sbom
	mkdir -p build/sbom
	for image in api worker; do \
	$(BIN)/cyclonedx-py requirements requirements/$$image.txt --output-file build/sbom/$$image.json || exit 1; done

release-check: $(INSTALLED)-dev ## Write the upgrade data of this version if there are none, and list what it lacks to be released
	$(BIN)/python -m tools.release --check $(ARGS)

release: $(INSTALLED)-dev $(PAGE) ## Check that this commit is a release, and build its wheel and source distribution in dist
	$(BIN)/python -m tools.release $(ARGS)

clean: ## Remove the environment and the demo's files
	rm -rf $(VENV) $(VENV)-latest $(VENV)-lowest .demo $(DASHBOARD)/dist $(DASHBOARD)/node_modules

# Of makes that run at once in one checkout, one installs; the others wait, and find it done.
define once
	@mkdir -p build; exec 9>build/make.lock; \
	flock --nonblock 9 || { echo 'Waiting for another make, which installs here.' >&2; flock 9; }; \
	if [ ! -e $@ ] || [ -n "$$(find $^ -newer $@)" ]; then set -x; $(1); fi
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …' >&2; exit 1; }
	$(call once,$(PYTHON) -m venv $(VENV))

$(INSTALLED)-pip: $(LOCK) | $(BIN)/python
	$(call once,$(BIN)/python -m pip install --quiet --upgrade --constraint $(LOCK) pip && touch $@)

$(INSTALLED)-demo: pyproject.toml $(INSTALLED)-pip
	$(call once,$(INSTALL) --editable '.[embedded]' --group demo && touch $@)

$(INSTALLED)-dev: pyproject.toml $(INSTALLED)-pip
	$(call once,$(INSTALL) --editable '.[$(TESTED)]' --group dev && touch $@)

$(INSTALLED)-chart $(INSTALLED)-images: $(INSTALLED)-%: $(INSTALLED)-dev
	$(call once,$(INSTALL) --group $* && touch $@)

$(INSTALLED)-audit: pyproject.toml $(INSTALLED)-pip
	$(call once,$(INSTALL) --group audit && touch $@)

$(PAGE): $(SOURCES) | $(INSTALLED)-pip
	$(call once,$(BIN)/python -m tools.dashboard build)
