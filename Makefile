# `make` lists the targets. Everything happens in .venv; no root rights are needed.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || echo 2)
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo demo-full demo-release chaos test test-fast test-run lint docs bench bench-haplotypes bench-privacy bench-shadows bench-dp bench-validation bench-sequences bench-peers bench-scale bench-utility fuzz pins package-audit sbom clean

help:  ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 28

# A virtual environment whose interpreter is gone, or whose package cannot be imported, is made anew.
ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell $(BIN)/python -c 'import genoloom.config, torch.version, snakemake' >/dev/null 2>&1 && echo sound),sound)
$(shell rm -f $(STAMP))
endif
endif

$(STAMP): pyproject.toml $(wildcard constraints-py311*.txt) envs/install.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "GenoLoom needs Python 3.11 or newer; set PYTHON=")'
	@echo "Installing GenoLoom into $(VENV) (a few minutes the first time) ..."
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	envs/install.sh $(BIN)/python
	touch $@

demo: DEMO := --configfile config/demo.yaml
demo demo-full: $(STAMP)
	@$(BIN)/genoloom plan --directory .
	$(BIN)/genoloom run --cores $(CORES) $(DEMO)
	@cat results/report/summary.txt
	@echo "Report: results/report/index.html"

demo:  ## Run the whole workflow on the shipped real data, with short trainings (config/demo.yaml)
demo-full:  ## The same with the default settings

demo-release: $(STAMP)  ## Make a bundle of the shipped data that passes the release gate
	$(BIN)/genoloom run results/release/demo/copying_network --cores $(CORES) \
		--configfile config/demo.yaml config/demo_release.yaml

# STUDY takes further options: make release-study STUDY="--modes public"
release-study: $(STAMP)  ## From a cohort of 1,204 individuals to the gate (DPYD, modes public and statistics); needs the development data
	$(BIN)/python -m benchmarks.release_study results/release_study $(STUDY)

# one more than there are cores: the tests on SLURM mostly wait
WORKERS = $(shell expr $(CORES) + 1)
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(STAMP)  ## Run all tests
	$(PYTEST)

test-fast: $(STAMP)  ## Run the tests that take moments, in about two minutes
	$(PYTEST) -m "not slow and not long" tests/unit

test-long: $(STAMP)  ## Run the studies of demo-release and release-study; 15 minutes
	$(BIN)/python -m pytest -m long tests/workflow/test_release_study.py

test-run: $(STAMP)  ## Run the whole workflow in .test, with models that learn for seconds, and Snakemake's report
	$(BIN)/snakemake --directory .test --cores $(CORES)
	$(BIN)/snakemake --directory .test --report report.zip

# CHAOS takes further options: make chaos CHAOS="--faults 40 --seed 7"
chaos: $(STAMP)  ## Stop a small workflow at 20 random moments; it must end as if nothing had happened
	$(BIN)/python tests/chaos.py $(CHAOS)

lint: $(STAMP)  ## Check style, formatting and the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/python -m genoloom.config_files --check

docs: $(STAMP)  ## Build the documentation site, build/site/index.html; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: bench-haplotypes bench-peers  ## Measure speed and quality on the shipped data

# BENCH takes further options: make bench-haplotypes BENCH="--set dpyd-slice --seeds 1-3"; the other
# runs and all options: python -m benchmarks --help
MEASURE = $(BIN)/python -m benchmarks

bench-haplotypes: $(STAMP)  ## All haplotype generators in one table
	$(MEASURE) haplotypes $(BENCH)

bench-validation: $(STAMP)  ## Linkage, distances, components and Fst beside scikit-allel
	$(MEASURE) statistics $(BENCH)

bench-privacy: $(STAMP)  ## Planted leaks: which are caught; needs the development data (or BENCH="--set demo --individuals 100")
	$(MEASURE) planted_leaks $(BENCH)

bench-shadows: $(STAMP)  ## What shadow models add to the audit
	$(MEASURE) shadow_models $(BENCH)

bench-dp: $(STAMP)  ## Privacy modes and baselines at the same epsilon; needs the development data
	$(MEASURE) dp $(BENCH)

bench-sequences: $(STAMP)  ## Sequence generators on three real sets; needs the development data for two of them
	$(MEASURE) sequences $(BENCH)

bench-peers: $(STAMP)  ## Seconds of prepare, consensus, generate and the workflow beside other programs; needs bcftools and plink2
	$(MEASURE) peers_speed $(BENCH)

bench-scale: $(STAMP)  ## Time and memory against sites and individuals, on simulated data; needs msprime, bcftools and plink2
	$(MEASURE) scale $(BENCH)

bench-utility: $(STAMP)  ## Treatment effects, star alleles, imputation, association, scores and ancestry from synthetic haplotypes; needs the development data
	$(MEASURE) treatment_effects
	$(MEASURE) pharmacogenes
	$(MEASURE) rare_imputation
	$(MEASURE) utility_tasks $(BENCH)

# FUZZ takes further options: make fuzz FUZZ="--targets vcf --mutants 1000"; see tests/fuzzing
fuzz: $(STAMP)  ## 10,000 mutants of valid files for each reader; hours
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzzing $(FUZZ)

pins: $(STAMP)  ## Pin the packages anew, with hashes; PINS=--upgrade takes the newest versions
	$(BIN)/python -m pip install --quiet uv
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python envs/pin_packages.py $(PINS)

# Both programs live in an environment of their own, so that they do not audit themselves.
TOOLS := .venv/tools
$(TOOLS)/bin/pip-audit: $(STAMP)
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10,<3' 'cyclonedx-bom>=7.5,<8'

package-audit: $(TOOLS)/bin/pip-audit  ## Known vulnerabilities of the pinned packages; needs the network
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r constraints-py311.txt -r constraints-py311-torch.txt

sbom: $(TOOLS)/bin/pip-audit  ## What is installed, as CycloneDX: build/sbom.cdx.json
	mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.cdx.json $(BIN)/python

clean:  ## Remove results and caches; the environment stays
	rm -rf results logs .snakemake .pytest_cache .ruff_cache
