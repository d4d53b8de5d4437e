# make run     build, and run the tour on the loop
# make test    the engine's tests, then pytest on each Python found
# make test-one  some tests on one Python, from a quick build: make test-one PY=3.13 ARGS="tests/test_tcp_flow.py -k limits"
# make check   clippy for one Python, ruff, the wings, the map: what to run after each edit: make check PY=3.11
# make lint    formatting, clippy, ruff, types, the wings, the map
# make conformance  CPython's own asyncio suite on ironloop, on each Python found: make conformance ARGS="--only test_ssl"
#              with ironloop's own tasks, queues, locks… behind asyncio's names, without them, or both: ARGS="--native both"
# make compat  the suites of aiohttp, anyio, asyncpg, httpx… on ironloop: make compat ARGS="--only httpx"
# make patched  real extension modules (opendal, ry, surrealdb) built with crates/compat, and their own tests on three loops: make patched ARGS="--only ry"
# make apps    servers, frameworks and tools on ironloop, as docs/deploy says: make apps ARGS="--only uvicorn", ARGS="--quick"
# make soak    does it leak: 500 cycles of every kind of transport: make soak ARGS="--cycles 120"
# make debug-builds  the tests on debug builds of CPython (python3.13-dbg…): make debug-builds ARGS="--series 3.13d tests/test_tasks.py"
# make refleaks  the same again and again, and nothing may become more: make refleaks ARGS="tests/test_tasks.py -- --each"
# make sanitize  the tests, and programs that destroy, re-enter and raise at random, with AddressSanitizer in the native code
# make races   the inbox in every order of its threads (loom), and all that threads share under ThreadSanitizer
# make captures  a million stacks of threads that come and go, read while they run, on each Python: make captures ARGS=100000
# make killed  1,000 SIGKILLs of a process that records: what it leaves opens, and its events are whole
# make door-proofs  a million cancelled calls of Rust futures with flat memory, 1,000 exits under fire: make door-proofs ARGS="--scale 0.1"
# make browser the page of a run in a real browser (Debian's chromium, and npm's playwright-core); its pictures: target/browser/look
# make simulation-proof  no false alarm of a simulation in 10,000 seeds a program, and the same runs in two processes
# make watched  tests of tasks, locks, queues, streams and TLS, and CPython's own of these, while every loop is recorded
# make fetch   the examples of extension modules and the page for their authors: clippy, tests
# make bench   the benchmark suite: make bench ARGS="--help"
# make docs    the documentation as a site, target/site/index.html: strictly, a link that leads nowhere is an error
# make wheels  wheels for each Python found, for glibc 2.17 and for musl, and an sdist, into dist/, and tried: make wheels ARGS="--series 3.13"
# make clean   remove what these made
#
# Everything beyond Python, cargo and a C compiler is installed into .venv by tools/environments.py.

PYTHON ?= python3
ENVIRONMENTS = $(PYTHON) tools/environments.py
ARGS ?=
# What of crates/ironloop is built only where somebody asks for it.
RUST_FEATURES = ironloop/example-http,ironloop/tokio,ironloop/tokio-io,ironloop/futures-io
COMPAT_FEATURES = pyo3-async-runtimes/attributes,pyo3-async-runtimes/tokio-runtime,pyo3-async-runtimes/unstable-streams

.PHONY: run test test-one check lint conformance compat patched apps soak debug-builds refleaks sanitize races captures killed door-proofs watched browser simulation-proof fetch bench docs wheels clean

run:
	@$(ENVIRONMENTS) one -r examples/requirements.txt -- python -m ironloop examples/tour.py $(ARGS)

test:
	@status=0; \
	cargo test --workspace --exclude ironloop-python --exclude pyo3-async-runtimes --features $(RUST_FEATURES) || status=1; \
	$(ENVIRONMENTS) each --at-once 2 -r examples/requirements.txt -r tests/requirements.txt -- python -m pytest $(ARGS) || status=1; \
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

# Each is a workspace of its own, built once for all Pythons.
EXTENSIONS = examples/fetch examples/postgres
fetch: export IRONLOOP_FETCH = 1
fetch:
	@for crate in $(EXTENSIONS); do PYO3_NO_PYTHON=1 PYO3_BUILD_EXTENSION_MODULE=1 \
		cargo clippy --quiet --manifest-path $$crate/Cargo.toml --target-dir target/door -- -D warnings || exit 1; done
	@$(ENVIRONMENTS) one --series 3.13 -r examples/requirements.txt -r tests/requirements.txt -r benches/requirements.txt -- \
		python -m pytest tests/test_fetch.py tests/test_fetch_failures.py tests/test_elephant.py tests/test_rust_extensions.py $(ARGS)

lint: LINT = $(ENVIRONMENTS) one -r tools/lint-requirements.txt
lint:
	cargo fmt --all --check
	@for crate in $(EXTENSIONS); do cargo fmt --check --manifest-path $$crate/Cargo.toml || exit 1; done
	$(PYTHON) tools/map.py
	$(LINT) --bare -- cargo clippy --workspace --all-targets --features $(RUST_FEATURES),$(COMPAT_FEATURES) -- -D warnings
	$(PYTHON) tools/wheels.py --check
	$(PYTHON) tools/wings.py
	$(LINT) --bare -- ruff check .
	$(LINT) --bare -- ruff format --check .
	$(LINT) --bare -- mypy python/ironloop python/wheel/platlib tools
	$(LINT) --bare -- mypy examples/fetch/python examples/postgres/python
	$(LINT) --bare -- env MYPYPATH=python mypy --python-version 3.11 tests/typed
	$(LINT) --bare -- env MYPYPATH=python mypy --python-version 3.15 tests/typed
	$(LINT) --bare -- pyright --pythonversion 3.11
	$(LINT) --bare -- pyright --pythonversion 3.15
	$(LINT) -- python -m mypy.stubtest ironloop --allowlist tools/stubtest-allowlist.txt --ignore-unused-allowlist

conformance:
	@$(ENVIRONMENTS) each -- python conformance/run.py $(ARGS)

compat:
	@$(ENVIRONMENTS) one --prefer 3.13 -- python compat/run.py $(ARGS)

patched:
	@$(ENVIRONMENTS) one --prefer 3.13 -- python compat/patched.py $(ARGS)

apps:
	@$(ENVIRONMENTS) one --prefer 3.13 -- python apps/run.py $(ARGS)

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

captures:
	@$(ENVIRONMENTS) each -- python tools/captures.py $(ARGS)

killed:
	@IRONLOOP_KILLS=1000 cargo test --quiet -p ironloop-trace --test killed -- --nocapture

door-proofs:
	@$(ENVIRONMENTS) one --prefer 3.13 -r tests/requirements.txt -- python tools/door_proofs.py $(ARGS)

browser:
	@IRONLOOP_LOOK=$(CURDIR)/target/browser/look cargo test --quiet --profile quick --target-dir target/browser -p ironloop-monitor \
		--test views -- --ignored files_to_look_at
	@mkdir -p target/browser/page && cp tests/browser/* target/browser/page
	@cd target/browser/page && npm install --silent --no-audit --no-fund && node page.mjs ../look ../quick/ironloop-monitor

simulation-proof:
	@$(ENVIRONMENTS) one --prefer 3.13 -r tests/requirements.txt -- python tools/simulation_proof.py $(ARGS)

WATCHED = tasks native_tasks task_groups combinators timeouts locks queues executor streams stream_readers \
	tcp_transport tcp_flow udp subprocesses tls tls_native watch watch_events watch_places watch_waits metrics
watched: export IRONLOOP_WATCH = 1
watched:
	@status=0; \
	$(ENVIRONMENTS) each -r examples/requirements.txt -r tests/requirements.txt -- python -m pytest $(WATCHED:%=tests/test_%.py) $(ARGS) || status=1; \
	$(ENVIRONMENTS) each -- python conformance/run.py --only test_tasks test_futures test_queues test_locks test_streams test_events || status=1; \
	exit $$status

# Its ARGS go by the environment, past the shell: ARGS="--only ^(tls|echo)/" needs no quotes of its own.
bench: export BENCH_ARGS = $(value ARGS)
bench:
	@$(ENVIRONMENTS) one --series 3.13 -r benches/requirements.txt -- python benches/run.py

docs:
	@$(ENVIRONMENTS) one --prefer 3.13 --name docs --bare -r tools/docs-requirements.txt -- env NO_MKDOCS_2_WARNING=1 python -m mkdocs build --quiet --clean
	@echo "the site: target/site/index.html"

wheels:
	@$(PYTHON) tools/wheels.py $(ARGS)

clean:
	rm -rf target dist .venv .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
