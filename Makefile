# Every target works in a fresh clone: the virtual environment is made and filled when it is missing.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO   := $(VENV)/.demo-installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
BENCH  := $(VENV)/.bench-installed
FUZZ   := $(VENV)/.fuzz-installed
RELEASE := $(VENV)/.release-installed
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command "make requirements" --constraint constraints.txt
GRYPE  := v0.121.3
ARGS   ?=
# One process a core: each starts a control plane and a local cloud of its own, so tests of two processes never meet.
# A file stays on one process: some tell one story (test_install.py).
WORKERS ?= logical
# Tests with a real API server wait more than they work: half as many again as cores.
WAITING  = $(if $(filter logical,$(WORKERS)),$(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)'),$(WORKERS))
PYTEST := $(BIN)/pytest --numprocesses=$(WORKERS)

CHECK_PYTHON := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thing-operator needs Python 3.11 or newer: set PYTHON=python3.x")'

.DEFAULT_GOAL := help
.PHONY: help demo bench simulate fuzz test unit pythons integration check console house crds docs fmt clean venv constraints chart release publish version audit scan requirements krew mutants chaos upgrade

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP) ## make and fill the virtual environment

$(STAMP): pyproject.toml constraints.txt
	@$(CHECK_PYTHON)
	@echo "making $(VENV) (about half a minute the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e '.[dev,docs]'
	@touch $(DEMO) $@
	@echo "the command thing-operator is there after: . $(BIN)/activate"

# The demo needs no tools, and the programs that it runs are built while its packages are installed.
$(DEMO): pyproject.toml constraints.txt
	@$(CHECK_PYTHON)
	@echo "making $(VENV) with what the demo needs (about 20 seconds the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) platformdirs rich
	@PYTHONPATH=operator $(BIN)/python -m thing_operator_local.toolchain & building=$$!; \
	  trap 'kill $$building; exit 1' INT TERM; \
	  $(PIP) -e . || { kill $$building; exit 1; }; wait $$building
	@touch $@

demo: $(DEMO) ## run the main job for real on this machine (ARGS=--once checks every step and exits)
	@$(BIN)/thing-operator demo $(ARGS)

bench: $(BENCH) ## what ten thousand Things cost here (ARGS="--sizes 1000,3000 --json FILE"; ARGS=--help)
	@$(BIN)/python -m tests.bench $(ARGS)

$(BENCH): $(STAMP)
	@$(PIP) -e '.[bench]'
	@touch $@

simulate: $(STAMP) ## the operator on models, by dice: troubles nobody thought of (ARGS="--seeds 200", "--replay SEED", "--cost")
	@PYTHONPATH=operator:. $(BIN)/python -m tests.simulation $(ARGS)

fuzz: $(FUZZ) ## readers of what comes from outside, against bytes chosen by coverage (ARGS="--minutes 10 --target pem"; ARGS=--help)
	@$(BIN)/python -m tests.fuzz $(ARGS)

$(FUZZ): $(STAMP)
	@$(PIP) -e '.[fuzz]'
	@touch $@

mutants: $(STAMP) ## small wrong versions of the operator, each of which the simulation has to find (ARGS="--only WORD")
	@PYTHONPATH=operator:. $(BIN)/python -m tests.simulation.mutants $(ARGS)

chaos: $(STAMP) ## replicas on real parts, and dice for what goes wrong (ARGS="--minutes 20", "--hours 2 --gentle", --help)
	@PYTHONPATH=operator:. $(BIN)/python -m tests.chaos $(ARGS)

upgrade: $(BENCH) ## from an earlier commit and its CRDs to this one and back (ARGS="--against COMMIT")
	@$(BIN)/python -m tests.bench upgrade $(ARGS)

test: check unit pythons integration ## everything CI runs

unit: $(STAMP) ## the tests that need nothing but Python, and what they must cover (WORKERS=0: one after the other)
	$(PYTEST) tests/unit --cov $(ARGS)

pythons: $(STAMP) ## the unit tests with every other Python that is installed, 3.11 to 3.14, each in a .venv-3.x
	$(BIN)/python tools/pythons.py $(ARGS)

integration: $(STAMP) ## the tests with a real API server, broker and Helm, which the first run builds (ARGS, WORKERS)
	$(BIN)/pytest --numprocesses=$(WAITING) --dist=loadfile --no-loadscope-reorder tests --ignore=tests/unit $(ARGS)

check: $(STAMP) docs ## lint, types, spelling, import contracts, generated files, links of the docs, figures of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/shellcheck .ci/run tools/*.sh tests/support/*.sh
	$(BIN)/hadolint Dockerfile
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/lint-imports --no-cache
	$(BIN)/thing-operator crds --check crds
	$(BIN)/python tools/chart.py --check
	$(BIN)/python tools/reference.py --check
	$(BIN)/python -m tools.monitoring --check
	$(BIN)/python -m tools.pictures --check
	$(BIN)/python -m tools.house

console: $(STAMP) ## build the page of thing-operator console into the user's cache (needs Node.js 20 or newer)
	$(BIN)/python operator/thing_operator/console/bundle.py

house: $(STAMP) ## how liveable the code is: figures and their limits (ARGS=--help, --report, --json)
	@$(BIN)/python -m tools.house $(ARGS)

crds: $(STAMP) ## regenerate crds/, docs/reference/ and the drawings from models and import contracts
	$(BIN)/thing-operator crds --output-dir crds
	$(BIN)/python tools/chart.py
	$(BIN)/python tools/reference.py
	$(BIN)/python -m tools.monitoring
	$(BIN)/python -m tools.pictures

docs: $(STAMP) ## build the documentation site into site/, with every link and anchor checked
	$(BIN)/zensical build --clean --strict

chart: $(STAMP) ## regenerate what the chart has of the models and of values.yaml, and deploy/
	$(BIN)/python tools/chart.py
	$(BIN)/python tools/deploy.py

fmt: $(STAMP) ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

release: $(STAMP) ## image, chart, manifest and bill of materials into dist/ (ARGS="--registry HOST/PATH"; docker or buildah)
	@$(BIN)/python -m tools.release $(ARGS)

publish: $(STAMP) ## push image and chart of this version for both architectures, and sign them (docker buildx, cosign)
	@$(BIN)/python -m tools.publish $(ARGS)

version: $(STAMP) ## set the version everywhere (ARGS=0.2.0), or compare it with a tag (ARGS="--check v0.2.0")
	@$(BIN)/python -m tools.version $(ARGS)

audit: $(RELEASE) ## what the image is built from: hashes, versions, licences (ARGS=--online: advisories, too)
	@$(BIN)/python -m tools.audit $(ARGS)

scan: ## the image of `make release` against advisories, Debian's packages included (online; built by Go)
	go run github.com/anchore/grype/cmd/grype@$(GRYPE) docker-archive:$(wildcard dist/*-image.tar) --fail-on high --only-fixed

requirements: $(RELEASE) ## renew requirements/, the versions of constraints.txt with the hashes of every platform
	$(COMPILE) --output-file requirements/image.txt pyproject.toml
	echo hatchling | $(COMPILE) --output-file requirements/build.txt -

$(RELEASE): $(STAMP)
	@$(PIP) -e '.[release]'
	@touch $@

krew: $(STAMP) ## kubectl thing for krew, archive and manifest, into dist/ (ARGS="--url URL --homepage URL")
	@$(BIN)/python -m tools.krew $(ARGS)

constraints: $(STAMP) ## renew constraints.txt from what is installed
	$(BIN)/python -m pip freeze --exclude-editable --all | grep -vE '^(pip|setuptools|wheel)==' > constraints.txt

clean: ## remove what the targets made in this folder
	rm -rf $(VENV) .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist site .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
