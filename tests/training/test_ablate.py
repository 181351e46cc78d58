"""The ablation command: what it would run, one cell for real, and the table it writes."""

import json
from pathlib import Path

import pytest

from trainer import ablate
from trainer.ablate import cells, main
from trainer.data.mixture import id_words
from trainer.data.selections import SELECTIONS, of_form, partners, selection, subset
from trainer.planning.ablation_table import PAPER, write_table
from training.fixtures import ROOT
from training.forked import run as forked

RECIPE = str(ROOT / "trainer" / "recipes" / "tiny.yaml")


def test_every_ablation_of_the_paper_has_a_cell() -> None:
    names = {cell.name for cell in cells([0], mixed=True)}
    assert names >= set(SELECTIONS) | set(PAPER)
    assert sum(name.startswith("p_behavior") for name in names) == 5
    assert len(cells([0, 1, 2], mixed=False)) == 1 + 3 * len(SELECTIONS)


def test_a_dry_run_lists_tokens_hours_and_memory(
    release: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", RECIPE, "--dataset", str(release), "--out", str(tmp_path), "--dry-run"]
    assert main([*words, "--json", "--model_name_or_path", str(base)]) == 0
    rows = {row["cell"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"base", *SELECTIONS}
    assert "no config salicon_object" in rows["salicon_object_ranking"]["not_run"]
    for name in ("behavior", "ad_llava", "shuffled_comments", "blift_10k"):
        assert {"steps", "tokens", "hours", "memory_gib"} <= set(rows[name])
    assert rows["ad_llava"]["tokens"] < rows["behavior"]["tokens"]


def test_a_cell_that_there_is_not_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", RECIPE, "--out", str(tmp_path), "--cells", "nothing"]
    assert main(words) == 1
    assert "--cells ['nothing']: expected some of ['base', 'behavior'" in capsys.readouterr().err


def test_the_table_shows_what_was_measured_and_what_the_paper_says(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for seed, value in ((0, 3.0), (1, 5.0)):
        rows = [{"metric": "perplexity", "value": value}, {"metric": "r2", "value": None}]
        (tmp_path / "results" / f"behavior-seed{seed}.json").write_text(json.dumps(rows))
    pairs = [
        ("behavior", "behavior-seed0"),
        ("behavior", "behavior-seed1"),
        ("likes", "likes-seed0"),
    ]
    found = write_table(tmp_path, pairs, {"likes": "no videos"})
    assert found["rows"][0]["measured"]["perplexity"] == [3.0, 5.0]
    text = (tmp_path / "table9.md").read_text()
    assert "| behavior | 4.00 (3.00 to 5.00, 2 seeds) | 3.05 | not measured | 0.4 |" in text
    assert "| likes | not measured (no videos) | 6.15 |" in text
    assert (tmp_path / "table9.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_cells_run_and_go_on_where_they_ended(
    release: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cells trained and measured; a second call does nothing again."""
    started: list[str] = []

    def in_a_fork(command: list[str], log: Path) -> int:
        started.append(log.name)
        if "trainer.evaluation" in command:
            return original(command, log)
        return forked(*command[command.index("--config") :])

    original = ablate.logged
    monkeypatch.setattr(ablate, "logged", in_a_fork)
    words = ["--config", RECIPE, "--dataset", str(release), "--out", str(tmp_path / "a")]
    words += ["--cells", "behavior", "ad_llava", "--model_name_or_path", str(base)]
    words += ["--max_steps", "2"]
    assert main(words) == 0
    rows = json.loads((tmp_path / "a" / "table9.json").read_text())["rows"]
    assert all(row["measured"]["perplexity"] for row in rows)
    assert len(started) == 4
    assert main(words) == 0
    assert len(started) == 4


def test_selections_pick_forms_subsets_and_partners() -> None:
    turns = [
        {"task": "saliency", "question": "?", "answer": "upper-left\nbottom-right"},
        {"task": "saliency", "question": "?", "answer": "upper-left: 40"},
        {"task": "comments", "question": "?", "answer": "1. Nice"},
    ]
    assert of_form(turns, "ranking") == [turns[0], turns[2]]
    assert of_form(turns, "predicting") == turns[1:]
    assert of_form(turns, None) == turns
    words = id_words([f"p{i}" for i in range(100)])
    small, large = (set(subset(words, share, None).tolist()) for share in (0.25, 0.5))
    assert (len(small), len(large)) == (25, 50)
    assert small < large
    assert len(subset(words, 1.0, 10)) == 10
    kinds = ["video", "image"] * 50
    found = partners(words, kinds, 0)
    assert sorted(found) == list(range(100))
    assert all(found[i] != i and kinds[found[i]] == kinds[i] for i in range(100))
    with pytest.raises(ValueError, match="selection 'all': expected one of behavior, ad_llava"):
        selection("all")
