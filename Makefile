# make demo   sets up, registers a pair into a Slicer scene, writes pictures and a table to demo/
# make test   sets up, checks the style, runs all tests
PYTHON ?= python3
VENV := .venv
RUN := PYTHONPATH=$(CURDIR):$(CURDIR)/LatentRegistration OMP_NUM_THREADS=2 $(VENV)/bin/python
DATA ?=
TRAINING := training

.PHONY: demo test format benchmarks reproduction screenshots train clean

demo: $(VENV)/installed
	$(RUN) -m Testing.demo --output demo $(if $(DATA),--data $(DATA))

test: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(RUN) -m pytest

format: $(VENV)/installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Slow: every figure of Documentation/benchmarks.md; needs DATA, a folder with images/ and labels/.
benchmarks: $(VENV)-benchmark/installed
	PYTHONPATH=$(CURDIR):$(CURDIR)/LatentRegistration $(VENV)-benchmark/bin/python Testing/Benchmarks/benchmark_registration.py --data $(DATA) --output $(TRAINING)/benchmarks

# Slow: every figure of Documentation/estienne.md.
reproduction: $(VENV)/installed
	$(RUN) Testing/Reproduction/estienne.py --data $(DATA) --output $(TRAINING)/reproduction

screenshots: $(VENV)/installed
	$(RUN) -m Testing.demo --output demo $(if $(DATA),--data $(DATA)) --screenshots Resources/Screenshots

.venv: $(VENV)/installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The stamp makes the second run quick: nothing is installed until a requirement changes.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# antspyx, the peer that is compared with, wants older versions of NumPy and SciPy: a place of its own.
$(VENV)-benchmark/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-benchmark
	grep -v -e numpy -e scikit constraints.txt > $(VENV)-benchmark/constraints.txt
	$(VENV)-benchmark/bin/python -m pip install --quiet --disable-pip-version-check -c $(VENV)-benchmark/constraints.txt -e '.[figures,benchmark]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-benchmark demo build *.egg-info
