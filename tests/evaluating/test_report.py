"""Report, comparison and their numbers: the paper's wrong cells, pairs, Holm, the null."""

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml

from evaluating.support import FIXTURES, write_predictions
from trainer.evaluation.__main__ import main
from trainer.evaluation.compare import differences
from trainer.evaluation.reporting.paper import audit, improvement
from trainer.evaluation.stats.families import detectable, over_seeds
from trainer.evaluation.stats.paired import rank_swaps, sign_flip, swap_test
from trainer.evaluation.stats.statistics_of import Rho
from trainer.evaluation.tasks import find

WRONG = {
    ("1_lvu", "scene"),
    ("1_lvu", "relationship"),
    ("5_video_emotion", "caer"),
    ("8_memorability", "videomem"),
    ("8_memorability", "mediaeval"),
    ("8_memorability", "lambda"),
}


def test_exactly_seven_improvements_are_wrong() -> None:
    found = audit()
    assert Counter(item.verdict for item in found) == {
        "rounded": 59,
        "truncated": 12,
        "last digit": 2,
        "wrong": 7,
    }
    wrong = [item for item in found if item.verdict == "wrong"]
    assert {(item.table, item.column) for item in wrong} == WRONG
    assert sum(item.column == "caer" for item in wrong) == 2
    assert improvement(10.34, 5.12, "view_count") == pytest.approx(50.48, abs=0.01)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Results of a good and a bad model on the fixtures, with hostile texts."""
    root = tmp_path_factory.mktemp("two")
    paths = {}
    for name, right in (("good", True), ("bad", False)):
        folder = root / name
        for task in find("lvu/scene,lvu/year,memcat/rho,lvu/view_count,msvd_qa"):
            rows = []
            for number, example in enumerate(task.examples(FIXTURES)):
                if task.protocol == "digits":
                    answer = f"{round(99 * example.truth) if right else 13 * number % 50:02d}"
                elif task.protocol == "number":
                    answer = "25000" if right else "1000000"
                else:
                    answer = example.truth if right or number == 0 else "<script>alert(1)</script>"
                rows.append({"id": example.id, "answer": answer, "model": name})
            write_predictions(folder, task.name, rows)
        out = root / f"{name}.json"
        words = ["--annotations", str(FIXTURES), "--out", str(out), "--resamples", "300"]
        assert main(["score", "--predictions", str(folder), *words]) == 0
        paths[name] = out
    return paths | {"root": root}


def test_differences_are_paired_and_adjusted(two: dict[str, Path]) -> None:
    found = {d.task: d for d in differences(two["good"], two["bad"], resamples=300)}
    scene = found["lvu/scene"]
    assert (scene.n, scene.clusters, scene.exact) == (6, 6, True)
    assert scene.difference == pytest.approx(5 / 6)
    assert scene.p == pytest.approx(2 / 2**5)
    assert scene.mcnemar == pytest.approx(2 / 2**5)
    planned = [d for d in found.values() if d.table == 1]
    assert all(d.p_holm is not None and d.p_holm >= d.p for d in planned)
    assert max(d.p_holm or 0 for d in planned) <= 1
    questions = found["msvd_qa/test"]
    assert (questions.n, questions.table) == (6, 0)
    assert found["memcat/rho"].difference > 0
    assert min(d.p for d in found.values()) > 0


def test_compare_prints_and_writes(
    two: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(two["good"]), str(two["bad"]), "--resamples", "100"]
    assert main(["compare", *words, "--out", str(tmp_path / "d.json")]) == 0
    assert "McNemar" in capsys.readouterr().out
    assert json.loads((tmp_path / "d.json").read_text())[0]["p"] > 0


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.sources, self.cards = 0, [], 0

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.scripts += tag == "script"
        self.cards += ("class", "card right") in attrs or ("class", "card miss") in attrs
        self.sources += [v for k, v in attrs if k in ("src", "href")]


def test_the_report_is_whole_and_safe(
    two: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    words = ["report", "--results", f"bad={two['bad']}", f"good={two['good']}", "--out", str(out)]
    words += ["--predictions", str(two["root"] / "bad"), "--annotations", str(FIXTURES)]
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert len(printed["wrong_improvements"]) == 7
    assert {"report.md", "index.html", "differences.png", "results.json"} <= set(printed["files"])
    page = Tags()
    page.feed((out / "index.html").read_text())
    assert page.scripts == 1  # ours; a model's answer is text
    assert page.cards >= 8
    assert all(source.startswith("data:") for source in page.sources)
    text = (out / "report.md").read_text()
    assert text.count("WRONG") == 7 + 1  # the note explains the mark
    assert "not measured" in text
    assert "synthetic" in text
    assert yaml.safe_load((out / "model-index.yaml").read_text())["model-index"]


def test_only_measured_numbers_of_real_files_reach_a_card(tmp_path: Path) -> None:
    from trainer.evaluation.reporting.hub import model_index, write_eval_results

    row = {
        "task": "lvu/scene",
        "version": 1,
        "n": 86,
        "unparsed": 0,
        "metric": "accuracy",
        "cell": "scene",
        "value": 0.5,
        "interval": [0.4, 0.6],
        "split": "test",
        "dataset_revision": "sha256:1",
        "run_id": "r",
        "flags": [],
    }
    rows = [row, row | {"value": None}, row | {"flags": ["synthetic"]}, row | {"run_id": None}]
    (index,) = model_index("m", rows)
    assert len(index["results"]) == 1
    (path,) = write_eval_results(tmp_path, rows)
    assert len(yaml.safe_load(path.read_text())) == 1


def test_rank_swaps_equal_the_plain_swap_test() -> None:
    rng = np.random.default_rng(4)
    truth, a = rng.normal(size=12), rng.normal(size=12)
    b = truth + rng.normal(size=12)
    codes = np.arange(12)
    ones = np.ones((1, 12))

    def difference(mask: np.ndarray) -> float:
        one, two = np.where(mask, b, a), np.where(mask, a, b)
        return float(Rho(truth, one, codes)(ones)[0] - Rho(truth, two, codes)(ones)[0])

    exact = swap_test(difference, 12)
    sampled = rank_swaps(truth, a, b, codes, 12, permutations=4000, seed=1)
    assert exact.exact
    assert sampled.p == pytest.approx(exact.p, abs=0.02)


def test_a_permutation_is_never_zero() -> None:
    found = sign_flip(np.ones(40), permutations=200)
    assert not found.exact
    assert found.p == pytest.approx(1 / 201)


def test_seeds_stand_apart_and_need_three() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        over_seeds([0.1, 0.2])


def test_what_a_sample_size_can_show() -> None:
    assert 100 * detectable(42)["two_errors"] == pytest.approx(15.4, abs=0.1)
    assert detectable(220)["rho"] == pytest.approx(0.13, abs=0.01)


@pytest.mark.slow
def test_a_simulated_null_has_five_percent_false_positives() -> None:
    from benchmarks.bench_eval import simulate_null

    found = simulate_null(cells=2000, seed=0)
    assert found["clustered"] == pytest.approx(0.05, abs=0.01)
    assert found["unclustered"] > 0.10
