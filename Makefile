.PHONY: run test check promises promises-bite pictures
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PACKAGES = foyer bots pages dialogue escalation booking forms nlu web_call payments conversation people foundation

run: ## Foyer on this machine: chat and desk on http://localhost:8080
	@.ci/prepare run
	@exec .venv/bin/foyer run

test: ## every quick test
	@.ci/prepare test
	@.venv/bin/pytest -q -n 2 --dist loadfile -m "not long"

check: ## style, types, imports, pages, texts, one newest migration
	@.ci/prepare test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy --strict $(PACKAGES) tests
	.venv/bin/lint-imports
	PATH="$(CURDIR)/.tools/node/path:$$PATH" npm --prefix web run --silent check
	.venv/bin/python -m foundation.texts check
	.venv/bin/python -c 'from foyer.migrations import heads; newest = heads(); assert len(newest) == 1, newest'

promises: ## every promise with its figure; ONLY="slug …" for some
	@.ci/prepare test
	@.venv/bin/python -m tests.promises run --only "$(ONLY)"

promises-bite: ## take each guard away and see the promise fail; ONLY="slug …" for some
	@.ci/prepare test
	@.venv/bin/python -m tests.promises bite --only "$(ONLY)"

pictures: ## take the README's pictures anew
	@.ci/prepare test
	@.venv/bin/python -m tests.pictures
