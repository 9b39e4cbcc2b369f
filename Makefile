# make setup   everything the other targets need; they call it themselves
# make run     the demo: both environments and the portal
# make test    all tests                    make test TESTS=tests/gate
# make check   format, lint, types, imports, docs in step
# make bench   measure, write docs/bench.md make bench ROWS=P2,P4
# make proof   prove at full volume, write docs/proof.md
# make docs    write the generated pages of docs/reference
# make languages  bring the portal's catalogues in step with its texts, say what is missing
# make lock    compile requirements/*.lock  make lock LOCK=--upgrade

UV      := .uv/.in-step
VENV    := .venv/.in-step
CLIENTS := .clients/.in-step
ASSETS  := assets/node_modules/.in-step
# Tests wait for servers and browsers a third of their time: one more of them at once than there are cores.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: setup check test run bench proof docs languages lock clean
.DEFAULT_GOAL := check

setup: $(VENV) $(CLIENTS) $(ASSETS)
	@scripts/setup system bench

$(UV): requirements/uv.lock
	scripts/setup uv
	@touch $@

$(VENV): $(UV) requirements/dev.lock pyproject.toml
	scripts/setup venv
	@touch $@

$(CLIENTS): $(UV) requirements/clients.lock
	scripts/setup clients
	@touch $@

$(ASSETS): assets/package-lock.json assets/.npmrc scripts/setup | $(VENV)
	scripts/setup assets
	@touch $@

check: $(VENV)
	@scripts/check

test: $(VENV) $(CLIENTS) $(ASSETS)
	@scripts/setup system test
	.venv/bin/pytest -n $(WORKERS) --dist worksteal $(TESTS)

run: $(VENV) $(ASSETS)
	.venv/bin/credenza demo

bench: setup
	.venv/bin/python -m bench $(ROWS)

proof: setup
	.venv/bin/python -m proof $(ROWS)

docs: $(VENV)
	.venv/bin/python scripts/docs

languages: $(VENV)
	.venv/bin/python scripts/languages

lock: $(UV)
	scripts/lock $(LOCK)

clean:
	rm -rf assets/node_modules src/credenza/portal/static/htmx.js
	rm -rf .uv .venv .clients build dist .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
