"""`score`: the contract of prediction files, unparsed answers, no torch, speed, clean subsets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluating.support import FIXTURES, entries, write_predictions
from places import ROOT
from trainer.evaluation.__main__ import main
from trainer.evaluation.results import items_path
from trainer.evaluation.tasks import find
from training.fixtures import offline


def score(folder: Path, out: Path, *more: str) -> int:
    words = ["score", "--predictions", str(folder), "--annotations", str(FIXTURES)]
    return main([*words, "--out", str(out), "--resamples", "200", *more])


def line(task: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "task": task, "version": 1, "answer": None, "labels": None, **fields}


def first_ids(task: str) -> list[str]:
    return [example.id for example in find(task)[0].examples(FIXTURES)]


def test_a_missing_prediction_is_unparsed_and_wrong_in_value_all(tmp_path: Path) -> None:
    names = first_ids("lvu/scene")
    truth = {e.id: e.truth for e in find("lvu/scene")[0].examples(FIXTURES)}
    rows = [line("lvu/scene", name, answer=truth[name]) for name in names[:3]]
    rows.append(line("lvu/scene", names[3], answer="somewhere else"))
    write_predictions(tmp_path, "lvu/scene", rows)
    assert score(tmp_path, tmp_path / "r.json") == 0
    (row,) = json.loads((tmp_path / "r.json").read_text())
    assert (row["n"], row["unparsed"]) == (6, 3)
    assert (row["value"], row["value_all"]) == (1.0, 0.5)
    assert "over 5 % unparsed" in row["flags"]
    assert "synthetic" in row["flags"]
    assert row["chance"] == pytest.approx(1 / 6)
    assert row["dataset_revision"].startswith("fixture:")
    assert items_path(tmp_path / "r.json").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "stranger"}, "'stranger' is no item of lvu/scene"),
        ({"version": 2}, "version 2"),
        ({"task": "lvu/genre"}, "'lvu/genre'"),
    ],
)
def test_a_wrong_line_is_named(
    tmp_path: Path, change: dict, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = line("lvu/scene", first_ids("lvu/scene")[0], answer="hotel") | change
    write_predictions(tmp_path, "lvu/scene", [row])
    assert score(tmp_path, tmp_path / "r.json") == 1
    error = capsys.readouterr().err
    assert message in error
    assert "scene.jsonl, line 1" in error


def test_a_duplicate_is_named_but_clips_are_not_duplicates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = first_ids("lvu/scene")[0]
    rows = [line("lvu/scene", name, answer="hotel")] * 2
    write_predictions(tmp_path, "lvu/scene", rows)
    assert score(tmp_path, tmp_path / "r.json") == 1
    assert f"{name!r} stands twice" in capsys.readouterr().err
    write_predictions(
        tmp_path, "lvu/scene", [row | {"clip": number} for number, row in enumerate(rows)]
    )
    assert score(tmp_path, tmp_path / "r.json") == 0


def test_labels_must_be_exactly_the_vocabulary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = first_ids("lvu/scene")[0]
    row = line("lvu/scene", name, labels=entries(["office", "hotl"], [-1.0, -2.0]))
    write_predictions(tmp_path, "lvu/scene", [row])
    assert score(tmp_path, tmp_path / "r.json") == 1
    assert "hotl" in capsys.readouterr().err


def test_two_models_in_one_folder_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = first_ids("lvu/scene")
    rows = [
        line("lvu/scene", n, answer="hotel", model=m) for n, m in zip(names, "ab", strict=False)
    ]
    write_predictions(tmp_path, "lvu/scene", rows)
    assert score(tmp_path, tmp_path / "r.json") == 1
    assert "2 models" in capsys.readouterr().err


def test_ties_go_to_the_first_label_of_the_vocabulary(tmp_path: Path) -> None:
    (task,) = find("lvu/scene")
    rows = [
        line("lvu/scene", name, labels=entries(reversed(task.labels), [-1.0] * 6))
        for name in first_ids("lvu/scene")
    ]
    write_predictions(tmp_path, "lvu/scene", rows)
    assert score(tmp_path, tmp_path / "r.json") == 0
    lines = items_path(tmp_path / "r.json").read_text().splitlines()
    right = [json.loads(text)["guess"] for text in lines]
    truth = [example.truth for example in task.examples(FIXTURES)]
    assert right == [float(t == task.labels[0]) for t in truth]


def test_the_clean_subset_leaves_overlapping_items_out(tmp_path: Path) -> None:
    names = first_ids("pitt/topic")
    write_predictions(
        tmp_path, "pitt/topic", [line("pitt/topic", n, answer="chips") for n in names]
    )
    hits = [{"benchmark": "pitt_video_ads", "item": names[0], "signal": "id"}]
    (tmp_path / "overlap.json").write_text(json.dumps({"hits": hits}))
    clean = ["--clean", str(tmp_path / "overlap.json")]
    assert score(tmp_path, tmp_path / "r.json", *clean) == 0
    (row,) = json.loads((tmp_path / "r.json").read_text())
    assert row["n"] == 5


def test_scoring_loads_no_torch(tmp_path: Path) -> None:
    for task in ("lvu/scene", "memcat/rho", "pitt/sentiment_30", "msvd_qa/test"):
        rows = [line(task, n, answer="50") for n in first_ids(task)]
        write_predictions(tmp_path, task, rows)
    code = (
        "import sys\nfrom trainer.evaluation.__main__ import main\n"
        f"assert main(['score','--predictions',{str(tmp_path)!r},'--annotations',"
        f"{str(FIXTURES)!r},'--out',{str(tmp_path / 'r.json')!r}]) == 0\n"
        "assert not {'torch','transformers','evaluate'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=offline(tmp_path) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_the_annotations_own_names_are_labels_too(tmp_path: Path) -> None:
    raw = ("nm0000229", "nm0000217", "nm0000165", "nm0001675")
    raw += ("nm0040630", "nm0001392", "nm0000631", "nm0000233")
    rows = [
        line("lvu/director", name, labels=entries(raw, [-float(place != 0) for place in range(8)]))
        for name in first_ids("lvu/director")
    ]
    write_predictions(tmp_path, "lvu/director", rows)
    assert score(tmp_path, tmp_path / "r.json") == 0
    (row,) = json.loads((tmp_path / "r.json").read_text())
    assert (row["value"], row["unparsed"]) == (pytest.approx(1 / 6), 0)
