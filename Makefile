# make run     build, and run the tour on the loop
# make test    the engine's tests, then pytest on each Python found
# make test-one  some tests on one Python, from a quick build: make test-one PY=3.13 ARGS="tests/test_tcp_flow.py -k limits"
# make check   clippy for one Python, ruff, the wings, the map: what to run after each edit: make check PY=3.11
# make lint    formatting, clippy, ruff, types, the wings, the map
# make conformance  CPython's own asyncio suite on ironloop, on each Python found: make conformance ARGS="--only test_ssl"
#              with ironloop's own tasks, queues, locks… behind asyncio's names, without them, or both: ARGS="--native both"
# make compat  the suites of aiohttp, anyio, asyncpg, httpx… on ironloop: make compat ARGS="--only httpx"
# make soak    does it leak: 500 cycles of every kind of transport: make soak ARGS="--cycles 120"
# make debug-builds  the tests on debug builds of CPython (python3.13-dbg…): make debug-builds ARGS="--series 3.13d tests/test_tasks.py"
# make refleaks  the same again and again, and nothing may become more: make refleaks ARGS="tests/test_tasks.py -- --each"
# make sanitize  the tests, and programs that destroy, re-enter and raise at random, with AddressSanitizer in the native code
# make races   the inbox in every order of its threads (loom), and all that threads share under ThreadSanitizer
# make bench   the benchmark suite: make bench ARGS="--help"
# make clean   remove what these made
#
# Everything beyond Python, cargo and a C compiler is installed into .venv by tools/environments.py.

PYTHON ?= python3
ENVIRONMENTS = $(PYTHON) tools/environments.py
ARGS ?=

.PHONY: run test test-one check lint conformance compat soak debug-builds refleaks sanitize races bench clean

run:
	@$(ENVIRONMENTS) one -r examples/requirements.txt -- python -m ironloop examples/tour.py $(ARGS)

test:
	@status=0; \
	cargo test --workspace --exclude ironloop-python || status=1; \
	$(ENVIRONMENTS) each -r examples/requirements.txt -r tests/requirements.txt -- python -m pytest $(ARGS) || status=1; \
	exit $$status

PY ?= 3.13
test-one:
	@$(PYTHON) tools/quick.py $(PY) python -m pytest $(ARGS)

# In environments that are there: nothing is installed or built for it.
check: RUFF = $(or $(firstword $(wildcard .venv/*/bin/ruff)),$(error no ruff yet: `make lint` installs it))
check:
	@PYO3_PYTHON=$(CURDIR)/.venv/$(PY)/bin/python cargo clippy --quiet --workspace --all-targets --target-dir target/check -- -D warnings
	@$(RUFF) check --quiet .
	@$(RUFF) format --quiet --check .
	@$(PYTHON) tools/wings.py
	@$(PYTHON) tools/map.py

lint: LINT = $(ENVIRONMENTS) one -r tools/lint-requirements.txt
lint:
	cargo fmt --all --check
	$(PYTHON) tools/map.py
	$(LINT) --bare -- cargo clippy --workspace --all-targets -- -D warnings
	$(PYTHON) tools/wings.py
	$(LINT) --bare -- ruff check .
	$(LINT) --bare -- ruff format --check .
	$(LINT) --bare -- mypy python/ironloop python/wheel/platlib tools
	$(LINT) -- python -m mypy.stubtest ironloop --allowlist tools/stubtest-allowlist.txt --ignore-unused-allowlist

conformance:
	@$(ENVIRONMENTS) each -- python conformance/run.py $(ARGS)

compat:
	@$(ENVIRONMENTS) one --prefer 3.13 -- python compat/run.py $(ARGS)

soak:
	@$(ENVIRONMENTS) one --prefer 3.13 -r soak/requirements.txt -- python soak/run.py $(ARGS)

debug-builds:
	@$(PYTHON) tools/debug_builds.py $(ARGS)

refleaks:
	@$(PYTHON) tools/debug_builds.py --references $(ARGS)

sanitize:
	@$(ENVIRONMENTS) one --prefer 3.13 -r examples/requirements.txt -r tests/requirements.txt -- python tools/sanitize.py $(ARGS)

races:
	@$(PYTHON) tools/races.py

# Its ARGS go by the environment, past the shell: ARGS="--only ^(tls|echo)/" needs no quotes of its own.
bench: export BENCH_ARGS = $(value ARGS)
bench:
	@$(ENVIRONMENTS) one --series 3.13 -r benches/requirements.txt -- python benches/run.py

clean:
	rm -rf target .venv .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
