"""Thirty-two samples are learnt by heart: pixels, prompts and labels reach the loss."""

import colorsys
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from trainer.checkpoint import load_model
from trainer.data.collator import Collator
from trainer.data.rows import load_rows
from training.fixtures import seeing, sft, summary, write_samples

COUNT = 32
SETTINGS = (
    *("--use_peft", "false", "--task_mix", "comments=1,likes=1", "--max_steps", "400"),
    *("--per_device_train_batch_size", "8", "--learning_rate", "2e-3", "--logging_steps", "50"),
    *("--lr_scheduler_type", "cosine", "--eval_strategy", "steps", "--eval_steps", "400"),
    *("--dataset_test_split", "train", "--eval_answers", str(COUNT)),
)


@pytest.fixture(scope="module")
def sights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos that only their pixels tell apart: the same title and questions everywhere."""
    colours = [colorsys.hsv_to_rgb(i / COUNT, 0.9, 0.9) for i in range(COUNT)]
    folder = tmp_path_factory.mktemp("sights") / "release"
    return write_samples(
        folder,
        [
            {
                "colour": tuple(round(255 * part) for part in colour),
                "percent": float(1 + place),
                "comments": [f"I count {place}.", f"Yes, {place} it is."],
            }
            for place, colour in enumerate(colours)
        ],
    )


@pytest.fixture(scope="module")
def open_eyed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with weights through which pixels pass: as assembled they hardly do."""
    folder = tmp_path_factory.mktemp("eyes") / "m"
    model = AutoModelForImageTextToText.from_pretrained(base, trust_remote_code=True)
    seeing(model).save_pretrained(folder)
    AutoProcessor.from_pretrained(base, trust_remote_code=True).save_pretrained(folder)
    return folder


def perplexity(folder: Path, rows: list[dict[str, Any]]) -> float:
    """Of the comments of some rows."""
    model, processor = load_model(str(folder), None)
    collator = Collator(processor, {"comments": 1.0}, 0, None, "error")
    nll, tokens = 0.0, 0
    for start in range(0, len(rows), 8):
        batch = collator(rows[start : start + 8])
        count = int((batch["labels"][:, 1:] != -100).sum())
        with torch.inference_mode():
            nll += float(model(**batch).loss) * count
        tokens += count
    return math.exp(nll / tokens)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("streaming", ["false", "true"])
def test_thirty_two_samples_are_learnt_by_heart(
    streaming: str, sights: Path, open_eyed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "o"
    words = (*SETTINGS, "--dataset_streaming", streaming)
    assert sft(sights, open_eyed, out, *words) == 0
    measured = summary(out)["evaluations"][-1]
    print(json.dumps(measured))
    assert measured["eval_comment_perplexity"] < 1.5
    assert measured["eval_liked_r2"] > 0.9
    rows = list(load_rows(str(sights), None, "train", None, streaming=False))
    shown = perplexity(out, rows)
    swapped = [{**row, "jpg": rows[i - 7]["jpg"], "mp4": rows[i - 7]["mp4"]}
               for i, row in enumerate(rows)]  # fmt: skip
    assert shown < 1.5
    assert perplexity(out, swapped) > 1.3 * shown
