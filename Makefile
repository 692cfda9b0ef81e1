# podhand: every target makes its own virtual environment in .venv when needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.podhand-stamp
LINT_STAMP := $(VENV)/.podhand-lint-stamp
CPP    := $(shell find cpp CMakeLists.txt pyproject.toml -type f 2>/dev/null)
C_SOURCES = find cpp firmware_iface/c tests/protocol/c -name '*.?pp' -o -name '*.[ch]'
FUZZ_S ?= 600
ITEMS  ?= 5
SEED   ?= 4

.DEFAULT_GOAL := help
.PHONY: help stow test test-cpp sanitize lint format realtime bench fuzz nightly build clean

help: ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

stow: build ## stow five products in the simulated pod and leave a report in runs/
	@$(BIN)/podhand stow --count $(ITEMS) --seed $(SEED)

test: build test-cpp ## all tests that gate a change
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-cpp: $(STAMP)
	@$(BIN)/cmake -S . -B build/cpp -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
	  -DCMAKE_PREFIX_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/cmeel.prefix" > build/cpp-configure.log
	@$(BIN)/cmake --build build/cpp > build/cpp-build.log || { tail -n 40 build/cpp-build.log; exit 1; }
	@$(BIN)/ctest --test-dir build/cpp --output-on-failure

sanitize: $(STAMP) ## free-space kernel, C codecs and EtherCAT emulator under address and undefined-behaviour sanitizers
	@$(BIN)/cmake -S . -B build/sanitize -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DCMAKE_BUILD_TYPE=Debug \
	  -DCMAKE_CXX_FLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" \
	  -DCMAKE_C_FLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" \
	  -DCMAKE_PREFIX_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/cmeel.prefix" > build/sanitize-configure.log
	@$(BIN)/cmake --build build/sanitize --target test_free_space test_eoat_codec fuzz_eoat_codec_short test_ethercat_emulator > build/sanitize-build.log \
	  || { tail -n 40 build/sanitize-build.log; exit 1; }
	@build/sanitize/test_free_space && build/sanitize/test_eoat_codec && build/sanitize/fuzz_eoat_codec_short \
	  && build/sanitize/test_ethercat_emulator && echo "sanitize: free-space kernel, C codecs and EtherCAT emulator clean"

lint: build $(LINT_STAMP) ## ruff, mypy --strict, import-linter, clang-format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(C_SOURCES) | xargs $(BIN)/clang-format --dry-run --Werror

format: $(LINT_STAMP) ## write what the formatters want
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(C_SOURCES) | xargs $(BIN)/clang-format -i

realtime: build ## prove with clang-22 and valgrind that the tick does not block, and what it costs
	@$(BIN)/python cpp/tests/check_realtime.py

bench: build ## tick and plain step beside numba and numpy; free space beside OpenCV and others
	@$(BIN)/podhand bench loop
	@$(BIN)/python -m pip install -q --no-build-isolation -e ".[bench]"
	@$(BIN)/podhand bench free-space

fuzz: $(STAMP) ## C codec of the end-of-arm board under libFuzzer for FUZZ_S seconds; needs clang-22
	@command -v clang-22 >/dev/null || { echo "make fuzz needs: sudo apt-get install clang-22 libclang-rt-22-dev" >&2; exit 1; }
	@mkdir -p build/fuzz/corpus
	@$(BIN)/python tests/protocol/fuzz_seeds.py build/fuzz/corpus
	@clang-22 -std=c99 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Ifirmware_iface/c \
	  tests/protocol/c/fuzz_eoat_codec.c firmware_iface/c/*.c -o build/fuzz/fuzz_eoat_codec
	@build/fuzz/fuzz_eoat_codec -max_total_time=$(FUZZ_S) -max_len=512 -timeout=5 -print_final_stats=1 build/fuzz/corpus

nightly: build fuzz ## slow proofs, run by hand: a campaign of 100 stows, bench, fuzzing, a million states of the end-of-arm board
	@PODHAND_SOAK=1 $(BIN)/python -m pytest -q -m soak tests/protocol
	@$(BIN)/podhand evaluate stow --episodes 100 --seed 1 --json build/evaluate.json
	@$(BIN)/podhand bench loop --json build/bench-loop.json

build: $(STAMP)

# One line says what a bare machine lacks; nothing else is needed.
$(VENV)/bin/python:
	@missing=""; \
	command -v g++ >/dev/null || missing="$$missing g++"; \
	command -v $(PYTHON) >/dev/null || missing="$$missing python3"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	$(PYTHON) -c 'import os,sys,sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null || missing="$$missing python3-dev"; \
	if [ -n "$$missing" ]; then echo "podhand needs: sudo apt-get install$$missing" >&2; exit 1; fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "podhand needs Python 3.11 or newer (got $$($(PYTHON) -V))" >&2; exit 1; }
	@echo "podhand: making the virtual environment $(VENV) (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip
	@$(BIN)/python -m pip install -q "scikit-build-core>=1.0" "pybind11>=3.0" "cmeel-eigen>=3.4" cmake ninja

$(STAMP): $(VENV)/bin/python $(CPP)
	@echo "podhand: building the kernel"
	@mkdir -p build
	@$(BIN)/python -m pip install -q --no-build-isolation -e ".[test,serial,ethercat,view]"
	@touch $@

$(LINT_STAMP): $(STAMP)
	@$(BIN)/python -m pip install -q -e ".[lint]" --no-build-isolation
	@touch $@

clean: ## remove builds and the virtual environment
	@rm -rf build dist $(VENV)
