"""Cards hold what was counted, show users' words as words, and never say what was not measured."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from publishing.made import RUN, make_build
from release.cards.front_matter import front_matter_problems, join_card, split_card
from release.cards.model import ModelFacts, model_card
from release.cards.privacy import is_person, privacy_report, privacy_text
from release.cards.render import as_code, as_text
from release.cards.slices import metadata_rows, survey
from release.errors import ReleaseError
from release.gates.settings import read_json
from release.hub.failures import Meaning, judge
from release.manifest import read_manifest
from release.publishing.journal import Journal
from release.publishing.notes import changelog_entry
from release.staging.model import ModelOptions, checked_results, folder_digest, without_paths

HOSTILE_TEXTS = [
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "---\ntitle: mine\n---",
    "{{ config }} {% raw %}",
    "```\nout of the block\n```",
    "| a | b |\n|---|---|",
    "\u202eevil",
    "# A heading\n\n* a list",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_users_words_are_shown_and_do_nothing(text: str):
    from markdown_it import MarkdownIt

    table = f"| a |\n|---|\n| {as_text(text)} |\n| {as_code(text)} |"
    body = f"Before\n\n{as_text(text)}\n\n{table}\n\nAfter"
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body)
    for tag in ("<script", "<img", "<h1", "<li", "href=", "<pre"):
        assert tag not in html
    assert html.count("<tr>") == 3
    block, _ = split_card(join_card({"title": text, "tags": ["a"]}, body))
    assert block == {"title": text, "tags": ["a"]}


def test_slices_sum_to_the_total(tmp_path: Path):
    release = make_build(tmp_path, samples=9)
    counted = survey(metadata_rows(release))
    assert counted.total == 18
    for values in counted.slices.values():
        assert sum(values.values()) == counted.total


def test_the_privacy_report_counts_and_names_nobody(tmp_path: Path):
    release = make_build(tmp_path)
    facts = read_manifest(release).facts["release"]
    report = privacy_report(release, facts, ["thing number 3", "never planted"])
    assert report["samples"] == 12
    assert report["before"] == {"email": 2}
    assert report["canaries"] == {"planted": 2, "found": 1}
    assert report["person_channels"] == 1
    assert report["rare"]["channels"] == {"all": 1, "once": 0, "under_five": 0}
    text = privacy_text(report)
    assert "Maria" not in text + json.dumps(report)
    assert "| email | 2 | 0 |" in text


def test_names_with_the_form_of_a_persons():
    persons = ["Maria Lopez", "Jean-Luc Picard", "John Q. Public"]
    others = ["Spoke & Saddle Bicycles", "NASA", "Garden Channel", "the lions", "Red Bull TV"]
    assert [is_person(name) for name in persons + others] == [True] * 3 + [False] * 5


def row(**values: Any) -> dict[str, Any]:
    return {
        "task": "blift",
        "version": 1,
        "metric": "mae",
        "n": 9,
        "unparsed": 1,
        "value": 0.25,
        "interval": [0.2, 0.3],
        "chance": 0.5,
        "run_id": RUN,
        "dataset_revision": "ab" * 20,
    } | values


def card_of(**values: Any) -> str:
    facts = {
        "training": {"base_model": "org/base", "code_commit": "c" * 40},
        "results": [row()],
        "before": [],
        "clean": [],
        "paper": {},
        "repository": "o/m",
        "dataset": "o/d",
        "dataset_revision": "d" * 40,
        "version": "1.0",
        "notice": None,
        "regurgitation": None,
    } | values
    return model_card(ModelFacts(**facts))


def test_a_model_card_holds_measured_numbers_beside_the_papers():
    text = card_of(before=[row(value=0.4)], clean=[row(value=0.26)], paper={"blift mae": 0.1})
    assert (
        "| blift v1 | mae | 9 | 1 | 0.4 | 0.25 | 0.2 to 0.3 | 0.26 | 0.5 | 0.1 | `7697c115f645` |"
        in text
    )
    block, _ = split_card(text)
    assert list(front_matter_problems("model", block)) == []
    assert block["base_model"] == "org/base"
    metric = block["model-index"][0]["results"][0]["metrics"][0]
    assert metric["args"]["run_id"] == RUN
    assert "verified" not in metric
    bare = card_of(results=[])
    assert "## Results\n\nNot measured." in bare
    assert "model-index" not in split_card(bare)[0]
    assert "energy | not measured" in bare


def test_results_of_another_model_are_refused(tmp_path: Path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    own = folder_digest(model)
    path = tmp_path / "results.json"
    for results, wrong in (
        ([row(model_revision=own)], None),
        ([row(model_revision="sha256:0")], "was measured on"),
        ([row(model_revision=own, run_id=None)], "has no run id"),
    ):
        path.write_text(json.dumps(results))
        if wrong is None:
            assert checked_results(model, {}, ModelOptions(results=path)) == results
        else:
            with pytest.raises(ReleaseError, match=wrong):
                checked_results(model, {}, ModelOptions(results=path))


def test_paths_of_this_machine_become_names():
    given = {"a": ["/home/me/run/base/", "C:\\x\\y", "org/base", "../z"], "b": float("inf"), "c": 1}
    assert without_paths(given) == {
        "a": ["local/base", "local/y", "org/base", "local/z"],
        "b": None,
        "c": 1,
    }


def test_front_matter_and_json_say_every_key_once():
    with pytest.raises(ValueError, match="'a' stands twice"):
        split_card("---\na: 1\nb:\n  c: 1\na: 2\n---\n")
    with pytest.raises(ValueError, match="'c' stands twice"):
        read_json('{"b": {"c": 1, "c": 2}}')
    with pytest.raises(ValueError, match="no front matter"):
        split_card("# A card\n")


def failure(status: int, code: str | None = None, **headers: str) -> Exception:
    error = RuntimeError("said")
    error.response = SimpleNamespace(  # type: ignore[attr-defined]
        status_code=status, headers=headers | ({"X-Error-Code": code} if code else {})
    )
    return error


def test_what_an_error_of_a_hub_means():
    table = {
        Meaning.UNKNOWN: [failure(s) for s in (408, 429, 500, 502, 503, 504)]
        + [ConnectionResetError(), TimeoutError()],
        Meaning.STALE: [failure(412), failure(404, "EntryNotFound")],
        Meaning.UNSTORED: [failure(422)],
        Meaning.PERMANENT: [failure(s) for s in (400, 401, 403, 404, 413)] + [ValueError("x")],
    }
    for meaning, errors in table.items():
        assert [judge(error).meaning for error in errors] == [meaning] * len(errors)
    assert judge(failure(429, **{"Retry-After": "7"})).wait == 7
    assert judge(failure(429, **{"Retry-After": "9999"})).wait == 300
    assert judge(failure(503, **{"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})).wait == 0
    assert judge(failure(503)).wait is None


def test_a_journal_survives_and_a_damaged_one_is_let_go(tmp_path: Path):
    Journal(tmp_path / "v1").note("hub", "id", parent="p")
    Journal(tmp_path / "v1").note("hub", "id", done=True)
    assert Journal(tmp_path / "v1").entry("hub", "id") == {"parent": "p", "done": True}
    (tmp_path / "v1.publish.json").write_text("{cut")
    assert Journal(tmp_path / "v1").entry("hub", "id") == {}


def test_the_entry_of_a_version_is_found_in_a_change_log():
    text = "# Changes\n\n## [1.10] - 2026\n\nTen.\n\n## v1.1\n\nOne.\n- a\n\n## 1.0\nZero.\n"
    found = [changelog_entry(text, v) for v in ("1.1", "1.10", "1.0", "2.0")]
    assert found == ["One.\n- a", "Ten.", "Zero.", ""]
