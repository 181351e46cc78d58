# `make` alone prints this list. Every target sets up .venv first; nothing outside the folder is touched.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SIZE ?= nano
OUT ?= build/demo
MODEL ?= $(OUT)/model
DATASET ?= $(OUT)/blift/release
RECIPE ?= trainer/recipes/demo.yaml
ARGS ?=
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt demo/requirements.txt | cksum | cut -d' ' -f1)
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false
# waiting threads sleep instead of spinning: 10 times faster on a busy machine (DECISIONS.md)
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help install demo release-demo test test-slow test-gpu check format data sft estimate eval \
        space bench-build bench-model bench-shards bench-train bench-eval clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(STAMP)  ## .venv with every room's dependencies and the `blift` command

# torch first and exactly: an open-ended `torch` pulls several GB of CUDA on CPU machines
$(STAMP): pyproject.toml constraints.txt demo/requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "need $(PYTHON) (set PYTHON=…)"; exit 1; }
	@echo "installing into $(VENV) (about three minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all]'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -r demo/requirements.txt
	@rm -f $(VENV)/.installed-*
	@touch $@
	@echo "installed: $(BIN)/blift, $(BIN)/python"

demo: install  ## raw dumps -> dataset -> training -> evaluation -> a model that answers (SIZE=nano|tiny)
	@$(BIN)/python demo/run.py --size $(SIZE) --out $(OUT) $(ARGS)

release-demo: install  ## the demo's data set, model and Space: staged, published (HF_ENDPOINT, or a folder), verified
	@$(BIN)/python demo/publish.py --from $(OUT) --out build/release-demo $(ARGS)

test: install  ## the test suite (CPU, offline)
	@$(BIN)/python -m pytest $(ARGS)

test-slow: install  ## tests of more than about 20 s
	@$(BIN)/python -m pytest -m slow $(ARGS)

test-gpu: install  ## tests that need an accelerator
	@$(BIN)/python -m pytest -m gpu $(ARGS)

check: install  ## formatting, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy dataset_builder trainer release
	@for room in model_card space demo benchmarks; do (cd $$room && ../$(BIN)/mypy --config-file ../pyproject.toml .); done

format: install  ## rewrite files to the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

data: install  ## build the sample dataset; ARGS="build …" for anything else blift does
	@$(BIN)/blift $(or $(ARGS),build --reddit-submissions demo/dumps/reddit_submissions.zst \
	  --reddit-comments demo/dumps/reddit_comments.zst --youtube demo/dumps/youtube.jsonl.gz \
	  --media none --preset seed --set media.required=false --out build/data)

sft: install  ## train: RECIPE=trainer/recipes/NAME.yaml DATASET=… ARGS="--model_name_or_path …"
	@$(BIN)/accelerate launch trainer/sft.py --config $(RECIPE) --dataset $(DATASET) $(ARGS)

estimate: install  ## what RECIPE takes: tokens, hours, memory, disk
	@$(BIN)/python -m trainer.estimate --config $(RECIPE) $(ARGS)

eval: install  ## behaviour metrics of MODEL on DATASET's test split
	@$(BIN)/python -m trainer.evaluation behavior --model $(MODEL) --dataset $(DATASET) --split test --out build/results.json $(ARGS)

space: install  ## open the Gradio Space on MODEL
	@$(BIN)/python space/app.py --model $(MODEL) $(ARGS)

bench-build: install  ## text stage against datasets + pandas + scikit-learn
	@$(BIN)/python benchmarks/bench_build.py $(ARGS)

bench-model: install  ## LlavaVid against an in-library video model of equal size
	@$(BIN)/python benchmarks/bench_model.py $(ARGS)

bench-shards: install  ## shard writing and reading, scene cuts
	@$(BIN)/python benchmarks/bench_shards.py $(ARGS)

bench-train: install  ## a training step against a plain loop, TRL's video path and the loader
	@$(BIN)/python benchmarks/bench_train.py $(ARGS)

bench-eval: install  ## label scoring in one packed row, and scoring 100,000 predictions
	@$(BIN)/python benchmarks/bench_eval.py $(ARGS)

clean:  ## remove build products (.venv stays)
	@rm -rf build
