"""Exported tasks hold our items, and the exported lmms-eval functions score as we do."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from evaluating.support import FIXTURES
from trainer.evaluation.__main__ import main
from trainer.evaluation.tasks import find


def test_lm_eval_items(tmp_path: Path) -> None:
    words = ["export", "lm-eval", str(tmp_path), "--tasks", "persuasion/text,pitt/action"]
    assert main([*words, "--annotations", str(FIXTURES)]) == 0
    task = yaml.safe_load((tmp_path / "blift_persuasion_text.yaml").read_text())
    assert task["output_type"] == "multiple_choice"
    lines = (tmp_path / "blift_persuasion_text.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    truths = [example.truth for example in find("persuasion/text")[0].examples(FIXTURES)]
    assert [{row["choices"][row["gold"]]} for row in rows] == [set(truth) for truth in truths]


def test_lmms_eval_functions_score_as_ours(tmp_path: Path) -> None:
    media = tmp_path / "media" / "caer"
    for example in find("caer")[0].examples(FIXTURES):
        path = media / f"{example.media}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    out = tmp_path / "out"
    words = ["export", "lmms-eval", str(out), "--tasks", "caer", "--annotations", str(FIXTURES)]
    assert main([*words, "--media", str(tmp_path / "media")]) == 0
    path = out / "utils_blift_caer_accuracy.py"
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = (out / "blift_caer_accuracy.jsonl").read_text().splitlines()
    for doc in map(json.loads, lines):
        (truth,) = doc["accepted"]
        assert module.process(doc, [f" {truth.upper()}."]) == {"accuracy": 1.0}
        assert module.process(doc, ["%% zz"]) == {"accuracy": 0.0}
        assert module.visual(doc) == [doc["media"]]
        assert "Answer with one of" in module.question(doc)


def test_a_task_without_labels_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "lm-eval", str(tmp_path), "--tasks", "memcat"]
    assert main([*words, "--annotations", str(FIXTURES)]) == 1
    assert "no label task" in capsys.readouterr().err
