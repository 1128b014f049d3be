# Each target is one line of real work; what it does lives in scripts/ and the packages.
# Some machines set this for their containers; here every run starts five Python programs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo demo-down up test fast lint format bench

help: ## what there is
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:           ## .venv with meltano and every package, from uv.lock
	@scripts/setup.sh

demo: setup      ## the whole pipeline against the stand-in platforms and a real database, in .demo/
	@.venv/bin/python -m scripts.demo up

demo-down:       ## stop what the demo started; `rm -r .demo .meltano` forgets its data
	@.venv/bin/python -m scripts.demo down

up: setup        ## scheduler, status page and alerts in the foreground
	@.venv/bin/meltano-ops schedule --serve

test: setup-dev  ## every test, on real servers that it starts itself
	@scripts/test.sh

fast: setup-dev  ## the tests that start at most one server
	@.venv/bin/python -m pytest -m "not slow"

lint: setup-dev  ## ruff, format check, mypy
	@scripts/lint.sh

format: setup-dev
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench: setup-dev ## the benchmarks, as ratios to what a user would otherwise pick
	@.venv/bin/python -m tests.bench

.PHONY: setup-dev
setup-dev:
	@scripts/setup.sh dev
