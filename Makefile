# Two commands are all that is needed: `make report` and `make test`.
# Each makes the environment in .venv first, and again when requirements.lock has changed.

PROFILE ?= quick
PYTHON  ?= python3.11
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/installed-from-lock
ORACLES := $(VENV)/oracles-from-lock
JAX     := $(VENV)/jax-from-lock
GPU     := $(VENV)/gpu-from-lock
SLURM   := $(VENV)/slurm-from-lock
NPU     := $(VENV)/npu-from-lock
MEDIAPIPE := $(VENV)/mediapipe/from-lock

AXE     := .ci/node_modules/axe-core/axe.min.js
LITERT_JS := .ci/litert-js/node_modules/@litertjs/core/package.json

.PHONY: help environment environment-gpu environment-jax environment-npu environment-slurm report test test-browser axe litert-js lint lab clean

help:
	@echo "make report [PROFILE=quick]         run a profile (quick, camvid, paper, mine) into reports/<profile>/index.html"
	@echo "make test                           run the tests"
	@echo "make test-browser                   the explorer in a real JupyterLab, where Chromium is installed"
	@echo "make environment-gpu                TensorFlow for NVIDIA GPUs in the place of the one for CPUs (Linux, 4 GB)"
	@echo "make environment-jax                add the JAX backend to the environment (docs/distributed.md)"
	@echo "make environment-npu                add Intel's NPU compiler, which \`mosaic npu\` asks"
	@echo "make environment-slurm              add Snakemake's SLURM executor (docs/distributed.md)"
	@echo "make axe [PROFILE=quick]            the accessibility of its pages, by axe-core (needs npm and Chromium)"
	@echo "make litert-js                      what try.html runs the network with in a browser (needs npm)"
	@echo "make lab                            open the explorer in JupyterLab"
	@echo "make lint                           check code and notebooks"
	@echo "make clean                          remove the environment (reports and data stay)"

environment: $(READY)

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: '$(PYTHON)' was not found; name yours with PYTHON=/path/to/python3.11." >&2; exit 1; }
	@echo "Making the environment in $(VENV) (about 2 minutes, 2 GB, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@cp requirements.lock $@

environment-gpu: $(GPU)

# Both TensorFlows are one package to Python, so the other one goes first.
$(GPU): requirements-gpu.lock $(READY)
	@$(BIN)/python -m pip uninstall --quiet --yes tensorflow-cpu
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@$(BIN)/python -c "import tensorflow as tf; gpus = tf.config.list_physical_devices('GPU'); print(len(gpus), 'GPU' if gpus else 'GPU found: is there a driver? nvidia-smi must list one.')"
	@cp $< $@

environment-jax: $(JAX)

environment-npu: $(NPU)

environment-slurm: $(SLURM)

# What stands beside the main lock, because pip's resolver would refuse it or most people do not need it.
$(ORACLES): tests/oracles.lock $(READY)
$(JAX): requirements-jax.lock $(READY)
$(NPU): requirements-npu.lock $(READY)
$(SLURM): requirements-slurm.lock $(READY)
$(ORACLES) $(JAX) $(NPU) $(SLURM):
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@cp $< $@

# It wants other versions of what the workbook has, so it stands alone.
$(MEDIAPIPE): tests/mediapipe.lock $(READY)
	@$(PYTHON) -m venv $(VENV)/mediapipe
	@$(VENV)/mediapipe/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@cp $< $@

litert-js: $(LITERT_JS)

# mosaicbook/site/try_page.py takes these files with the hashes that stand there.
$(LITERT_JS):
	@npm install --prefix .ci/litert-js --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --silent \
		@litertjs/core@2.5.3 @litertjs/wasm-utils@2.5.3

report: $(READY)
	@command -v npm >/dev/null && $(MAKE) --silent litert-js || echo "LiteRT.js could not be fetched with npm: the report has no page to try the network in."
	@$(BIN)/mosaic report --profile $(PROFILE)

test: $(READY) $(ORACLES) $(NPU) $(MEDIAPIPE)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

test-browser: $(READY)
	@$(BIN)/python -m pytest -m browser -rs -n0

$(AXE):
	@npm install --prefix .ci --no-save --no-package-lock --no-audit --no-fund --ignore-scripts axe-core@4.11

axe: $(READY) $(AXE)
	@$(BIN)/python tests/accessibility.py reports/$(PROFILE)

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache && $(BIN)/nbstripout --keep-id --verify $$(git ls-files '*.ipynb')

lab: $(READY)
	@$(BIN)/jupyter lab notebooks/00_explore.ipynb

clean:
	rm -rf $(VENV)
