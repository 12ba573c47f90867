# Every target sets up what it needs: a virtual environment in .venv, made when it is missing or stale.
# To use your own torch build (one with CUDA, say), name the environment that has it and drop the pins:
#     make test VENV=path/to/your/venv CONSTRAINTS=
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt

RUN := $(VENV)/bin/python -m
STAMP := $(VENV)/.sb3-isr-installed

CAREGIVER ?= person

.PHONY: install format lint type test test-fast commit-checks demo teach reproduction benchmark clean

install: $(STAMP)

# An environment whose interpreter is gone (Python upgraded, folder moved) is as stale as an old one.
ifneq ($(shell $(VENV)/bin/python -c "print('ok')" 2>/dev/null),ok)
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml $(CONSTRAINTS)
	$(VENV)/bin/python -c "" 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(RUN) pip install --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[dev]'
	touch $@

format: $(STAMP)
	$(RUN) ruff check --select I --fix .
	$(RUN) ruff format .

lint: $(STAMP)
	$(RUN) ruff check .
	$(RUN) ruff format --check .

type: $(STAMP)
	$(RUN) mypy

# loadgroup keeps tests that share an expensive run in one process.
test: $(STAMP)
	$(RUN) pytest -n 2 --dist loadgroup

# The inner loop: what is quick, in under two minutes.
test-fast: $(STAMP)
	$(RUN) pytest -n 2 --dist loadgroup -m "not slow"

commit-checks: format lint type

demo: $(STAMP)
	$(RUN) sb3_isr.cli demo

# CAREGIVER=simulated shows the same without a person.
teach: $(STAMP)
	$(VENV)/bin/python examples/teach.py --caregiver $(CAREGIVER)

reproduction: $(STAMP)
	$(RUN) reproduction --all --out docs

benchmark: $(STAMP)
	$(RUN) benchmarks

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
