"""Parsing, metrics and rows of the behaviour evaluation; the model is in training/."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from trainer.evaluation.__main__ import main
from trainer.evaluation.behavior import comment_measures, likes_measures, parse_percent
from trainer.evaluation.results import Source, write_results


@pytest.mark.parametrize(
    ("answer", "percent"),
    [
        ("The video will be liked by 2.0%", 2.0),
        ("The video will be liked by 12 %.", 12.0),
        ("about 3.25 percent of viewers", 3.25),
        ("0%", 0.0),
        ("100%", 100.0),
        ("101%", None),
        ("likes: 5", None),
        ("", None),
        ("in 2018, 4.5% of 7%", 4.5),
        ("-5%", None),
        ("5,3%", None),
        ("12-15%", None),
        ("1e3%", None),
        ("1000%", None),
    ],
)
def test_parse_percent(answer: str, percent: float | None) -> None:
    assert parse_percent(answer) == percent


def test_perplexity_weighs_tokens_not_posts() -> None:
    items = [{"nll": 10.0, "tokens": 5}, {"nll": 90.0, "tokens": 15}]
    (row,) = comment_measures(items)
    assert row.value == pytest.approx(math.exp(100 / 20))
    assert row.interval is not None
    low, high = row.interval
    assert math.exp(2.0) - 1e-9 <= low < row.value < high <= math.exp(6.0) + 1e-9
    assert comment_measures([]) == []


def test_errors_of_percent_liked() -> None:
    truth, guess = [1.0, 2.0, 6.0, 4.0], [1.5, 2.0, 3.0, None]
    items = [{"predicted": g, "percent_liked": t} for t, g in zip(truth, guess, strict=True)]
    rows = {row.metric: row for row in likes_measures(items, baseline=3.0)}
    assert {row.unparsed for row in rows.values()} == {1}
    assert {row.n for row in rows.values()} == {4}
    assert rows["mae"].value == pytest.approx(3.5 / 3)
    assert rows["median_error"].value == pytest.approx(0.5)
    assert rows["mae"].chance == pytest.approx(2.0)
    known = np.array(truth[:3])
    assert rows["r2"].value == pytest.approx(1 - 9.25 / ((known - known.mean()) ** 2).sum())


def test_a_constant_is_never_better_than_zero_r2() -> None:
    items = [{"predicted": 3.0, "percent_liked": t} for t in (1.0, 2.0, 6.0)]
    rows = {row.metric: row for row in likes_measures(items, baseline=3.0)}
    value = rows["r2"].value
    assert value is not None
    assert value <= 1e-12


def test_nothing_parsed_has_no_value() -> None:
    rows = likes_measures([{"predicted": None, "percent_liked": 2.0}], baseline=None)
    assert [(row.value, row.interval, row.unparsed) for row in rows] == [(None, None, 1)] * 3


def test_results_rows_hold_the_contract(tmp_path: Path) -> None:
    measures = comment_measures([{"nll": 10.0, "tokens": 5}])
    write_results(tmp_path / "r.json", measures, Source("root", "sha256:0", None, "run"))
    (row,) = json.loads((tmp_path / "r.json").read_text())
    contract = {
        "task",
        "version",
        "n",
        "unparsed",
        "metric",
        "value",
        "interval",
        "chance",
        "dataset_revision",
        "model_revision",
        "code_commit",
        "run_id",
    }
    assert contract <= set(row)
    assert row["interval"] is None


def test_wrong_usage_and_missing_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as usage:
        main(["behavior"])
    assert usage.value.code == 2
    capsys.readouterr()
    out = str(tmp_path / "r.json")
    words = ["behavior", "--model", "m", "--dataset", str(tmp_path / "none"), "--out", out]
    assert main(words) == 1
    assert "no such folder" in capsys.readouterr().err
