# The tasks of a developer. `make` alone lists them.
# Needs Python 3.11 or newer, the Rust toolchain, a C compiler and make; the rest comes with `make setup`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# rustup's own place is not on every PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Without kept byte code every process of ours would compile its libraries anew, which triples its start.
unexport PYTHONDONTWRITEBYTECODE

# pip and cargo trust the certificates of the system; uv does so when told, for networks with one of their own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS := true
endif

VENV := .venv
BIN := $(VENV)/bin
# The first that runs, is new enough and can make virtual environments. Override: make PYTHON=/path/to/python3
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
ENGINE_SOURCES := $(shell find engine \( -path engine/target -o -path engine/bench -o -path engine/fuzz \
	-o -path engine/tests \) -prune -o -type f \
	\( -name '*.rs' -o -name '*.toml' -o -name 'Cargo.lock' \) -print 2>/dev/null)
PACKAGES := $(VENV)/.packages-installed
ENGINE := $(VENV)/.engine-built
# Of make soak: a recording to replay, commands for engine and model, seconds for each fuzz target, rounds of
# requests for the same money. (Without
# sanitizers libFuzzer runs on the stable toolchain; the engine has no unsafe code that they could look at.)
FILE ?=
COMMANDS ?= 10000000
FUZZ_SECONDS ?= 60
ROUNDS ?= 500
CASES ?= 100
# How often PostgreSQL is stopped at once.
STOPS ?= 20
# Wires of running processes are cut at every so many messages, and with a kill at every so many.
CUT_STEP ?= 5
KILL_STEP ?= 50
# Seconds of the deterministic simulation, and its seed.
SIMULATION_SECONDS ?= 60
SEED ?= 1
# Minutes for which strangers' clients keep a book while workers are killed.
MINUTES ?= 5
# Minutes of trade in peace, while memory and invariants are watched.
PEACE ?= 10

.PHONY: help setup run ports test test-live test-python test-rust lint lint-python lint-rust format bench flames \
	soak faults lock clean tools

help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(ENGINE) ## Make the virtual environment and build the engine (the others do this when needed).

run: ports setup ## Start the whole platform on this machine; Ctrl-C stops it.
	@exec $(BIN)/python manage.py up

# Before a first build, which takes minutes; later `manage.py up` looks itself.
ports:
	@test -e $(ENGINE) || test -z "$(PYTHON)" || $(PYTHON) tradeplatform/supervisor/ports.py

# The parts run beside each other, for each leaves a core idle at times: the live tests wait for a platform of
# their own, mypy and the last test of a run have one thread. Two at a time, those first that end last; what they
# print is mixed, so that whoever waits sees that it goes on. `make test-python` and its like run one part.
BESIDE = +$(MAKE) --no-print-directory --jobs=2

test: lint ## Lint, then every test: Rust, Python, and those of the running platform with a browser.
	@$(BIN)/python -m tests.browser
	$(BESIDE) test-python test-live test-rust

test-python: setup ## The tests in Python.
	$(BIN)/python -m pytest -n 2

test-live: setup ## The tests of the running platform, with a browser.
	$(BIN)/python -m pytest -m live

test-rust: setup ## The tests of the engine and of its benchmark.
	cd engine && cargo test --locked
	cd engine/bench && cargo test --locked --quiet

lint: setup ## Style, types, floors, Rust's own lints.
	$(BESIDE) lint-python lint-rust

lint-python: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

lint-rust: setup
	cd engine && cargo fmt --check
	cd engine && cargo clippy --locked --all-targets --all-features -- -D warnings
	cd engine/bench && cargo fmt --check
	cd engine/bench && cargo clippy --locked --all-targets -- -D warnings

format: setup ## Let the formatters rewrite Python and Rust.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	cd engine && cargo fmt

bench: setup ## Measure engine, orders, feed, market data and the whole under load, as ratios in one run each.
	cd engine/bench && cargo run --release --locked --quiet --features peers
	$(BIN)/python -m tests.bench.bench_engine
	$(BIN)/python -m tests.bench.bench_orders
	$(BIN)/python -m tests.bench.bench_settlement
	$(BIN)/python -m tests.bench.bench_feed
	$(BIN)/python -m tests.bench.bench_ledger
	$(BIN)/python -m tests.bench.bench_market
	$(BIN)/python -m tests.bench.bench_http
	$(BIN)/python -m tests.bench.bench_load
	$(BIN)/python -m tests.bench.bench_cold_start
	$(BIN)/python -m tests.bench.bench_queue
	$(BIN)/python -m tests.bench.bench_growth
	$(BIN)/python -m tests.bench.bench_engine

# Root on Linux, iproute2, iptables and rabbitmq-server of Debian; each says what is missing.
faults: setup ## Machines in network namespaces, RabbitMQ, links and wires, taken away in every way (root, Debian packages).
	$(BIN)/python -m tests.simulation.rabbitmq
	$(BIN)/python -m tests.simulation.machines
	$(BIN)/python -m tests.simulation.machines --rabbitmq
	$(BIN)/python -m tests.simulation.machines --control
	$(BIN)/python -m tests.simulation.faults.dead_links
	! $(BIN)/python -m tests.simulation.faults.dead_links --times 1 --control
	$(BIN)/python -m tests.simulation.faults.cut_doors --step $(CUT_STEP) --kill-step $(KILL_STEP)
	! $(BIN)/python -m tests.simulation.faults.cut_doors --step 100 --kill-step 0 --control

flames: setup ## Draw where intake and drain spend their time, into var/flames.
	$(BIN)/python -m tests.bench.flames --statements

soak: setup ## Trade for two minutes with faults, check all invariants; then random commands and bytes at the engine.
	$(BIN)/python -m tests.simulation.soak
	$(BIN)/python -m tests.simulation.endurance --minutes $(PEACE)
	$(BIN)/python -m tests.simulation.clients_soak --minutes $(MINUTES)
	$(BIN)/python -m tests.simulation.double_spend --rounds $(ROUNDS)
	$(BIN)/python -m tests.simulation.long_run --seconds $(SIMULATION_SECONDS) --seed $(SEED)
	$(BIN)/python -m tests.simulation.wire_sweep
	$(BIN)/python -m tests.simulation.faults.database_stops --times $(STOPS)
	$(BIN)/python -m tests.simulation.faults.pooled
	$(BIN)/python -m tests.simulation.faults.standby
	$(BIN)/python -m tests.simulation.lost_replies --rounds $(ROUNDS)
	$(BIN)/python -m tests.simulation.faults.disk_full
	SCHEMATHESIS_CASES=$(CASES) $(BIN)/python -m pytest -m live -s tests/live/test_schemathesis.py
	$(if $(FILE),$(BIN)/python -m tests.simulation.kill_replay --file $(FILE))
	@$(MAKE) --no-print-directory faults
	cd engine && DIFFERENTIAL_COMMANDS=$(COMMANDS) cargo test --locked --release --test long_run -- --nocapture
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cd engine && for target in decode restore stream; do mkdir -p fuzz/corpus/$$target && \
		cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4000 || exit 1; done

lock: setup ## Resolve pyproject.toml again into requirements.txt, with hashes.
	@{ echo "# Everything a checkout installs, for running, testing and building, with the hashes of its files."; \
	   echo "# Resolved from pyproject.toml by make lock; not edited by hand."; \
	   $(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	   --upgrade --quiet --no-header; } > requirements.new
	@mv requirements.new requirements.txt

clean: ## Stop the platform if it runs here, and remove all that a checkout made for itself.
	@if [ -x $(BIN)/python ] && [ -d var ]; then $(BIN)/python manage.py up --stop; fi
	@if [ -L var/servers ]; then rm -rf "$$(readlink -f var/servers)"; fi
	rm -rf $(VENV) var engine/target engine/fuzz/target engine/fuzz/corpus engine/fuzz/artifacts .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache .schemathesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f engine/python/tradeengine/*.so

tools:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed:" \
		"install it (Debian: apt-get install python3 python3-venv) or say make PYTHON=/path/to/python3." >&2; exit 1; }
	@command -v cargo >/dev/null || { echo "The Rust toolchain is needed to build the engine:" \
		"install it from https://rustup.rs, then run make again." >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is needed to link the engine:" \
		"install one (Debian: apt-get install gcc libc6-dev), then run make again." >&2; exit 1; }

# uv comes from the lock like everything else, by pip, which checks its hash; then it installs the rest.
$(PACKAGES): requirements.txt | tools
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^[a-z]/{wanted = /^uv==/} wanted' requirements.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.txt
	@touch $@

$(ENGINE): $(PACKAGES) $(ENGINE_SOURCES) | tools
	cd engine && VIRTUAL_ENV=$(CURDIR)/$(VENV) $(CURDIR)/$(BIN)/maturin develop --release --locked --quiet --uv
	@touch $@
