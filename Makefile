# `make demo` and `make test` are all that a fresh machine with Python 3.11+ needs.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
TESTS ?= tests keras_bsd
PORT ?= 8000
PEERS ?= torch sinabs rockpool spyx
# Two workers with a thread each: two with two threads each would compete for two cores. XLA compiles programs of
# tests far longer than it runs them, and therefore optimises little.
PYTEST = TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
	XLA_FLAGS='--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true' \
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadgroup --durations 15 $(TESTS)
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: setup demo demo-page test test-all test-jax test-torch test-peers peers runtimes benchmark check docs format clean

# KERAS_BACKEND=jax or torch wants that backend's extra.
setup: .venv/.ready $(patsubst %,.venv/.ready-%,$(filter jax torch,$(KERAS_BACKEND)))

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[dev]'
	touch $@

# One more extra of pyproject.toml: docs, jax, torch, benchmark.
.venv/.ready-%: .venv/.ready
	$(PIP) --editable '.[dev,$*]'
	touch $@

demo: setup
	$(BIN)/python applications/train_recognition.py
	$(BIN)/python applications/train_generation.py --method=rate
	$(BIN)/python export/export_to_onnx.py --model=runs/digits/rate.keras

demo-page: setup
	$(BIN)/python -m demo_page.build --output_dir=runs/demo_page
	@echo "Draw a digit at http://localhost:$(PORT)/ (Ctrl-C ends the server)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory runs/demo_page

# What guards behaviour, in minutes; `test-all` adds what trains for longer or starts processes.
test: setup
	$(PYTEST) -m 'not slow'

test-all: setup
	$(PYTEST)

test-jax: .venv/.ready-jax
	KERAS_BACKEND=jax $(PYTEST) -m 'not slow'

test-torch: .venv/.ready-torch
	KERAS_BACKEND=torch $(PYTEST) -m 'not slow'

# Packages that read and write NIR files, an environment for each set that fits together. PEERS=torch takes one.
peers: $(PEERS:%=.venv-peers/%/.ready)

.venv-peers/%/.ready: benchmarks/peers/%.txt
	$(PYTHON) -m venv .venv-peers/$*
	.venv-peers/$*/bin/python -m pip install --quiet --requirement $<
	touch $@

# Runtimes that run exported files: benchmarks.runtimes. Node.js, if installed, adds two.
runtimes: setup .venv-peers/runtimes/.ready
	mkdir -p .venv-peers/node && cp benchmarks/runtimes/package*.json .venv-peers/node
	-cd .venv-peers/node && npm ci --ignore-scripts --no-audit --no-fund

test-peers: TESTS = tests/peers
test-peers: setup peers
	$(PYTEST)

benchmark: .venv/.ready-benchmark
	$(BIN)/python -m benchmarks.benchmark_training --networks=dense --batch_sizes=128 --timesteps=4 --jit_compile=true \
		--idle_threads=spin --rounds=1 --output_dir=runs/benchmark

docs: .venv/.ready-docs
	$(BIN)/mkdocs build --strict

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-peers runs site
