"""Which language a title is in, and videos that go because of it."""

import gzip
import json
import sys

import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import ledger, post, write_text
from dataset_builder.annotate import language as annotator
from dataset_builder.errors import BuildError
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.pipeline.text_stage import Request, build_text
from dataset_builder.settings import load_settings
from dataset_builder.text import language

needs_model = pytest.mark.skipif(
    language.why_not() is not None, reason=f"extra `lang` is missing: {language.why_not()}"
)
TITLES = {
    "eng": "How we built a small house by the river",
    "fra": "Comment nous avons construit une petite maison au bord de la rivière",
    "spa": "ASÍ CONSTRUIMOS una CASA pequeña junto al RÍO #shorts",
    "deu": "Wie wir ein kleines Haus am Fluss gebaut haben &amp; mehr",
    "jpn": "川の近くに小さな家を建てました",
    "name": "Mukbang in Philippines",
    "none": "2022 - 24/08 !!! 100%",
}


@needs_model
@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("eng", None), ("fra", "fr"), ("spa", "es"), ("deu", "de"), ("jpn", "ja"), ("name", None),
        ("none", None),
    ],
)  # fmt: skip
def test_only_sure_answers_count(key, found):
    guess = language.foreign(TITLES[key], ["en"], 0.5)
    assert (guess and guess[0]) == found
    if found:
        assert language.foreign(TITLES[key], ["en", found], 0.5) is None


@needs_model
def test_the_first_text_that_says_enough_names_a_posts_language():
    texts = [None, "!!!", TITLES["fra"], TITLES["deu"]]
    assert annotator.language_of(texts, 0.5) == "fr"
    assert annotator.language_of(["2022"], 0.5) is None


@needs_model
@pytest.mark.parametrize("switched", ["auto", "null"])
def test_the_annotator_fills_the_metadata_and_names_itself(tmp_path, switched):
    posts = [
        post("reddit-a", "image", title=TITLES["eng"]),
        post("reddit-b", "image", title=TITLES["fra"], asr=TITLES["deu"]),
        post("reddit-c", "image", title=TITLES["none"]),
        post("youtube-d", "image", title=TITLES["fra"], language="en-GB"),
    ]
    write_text(tmp_path, posts, {})
    names = ["media.required=false", f"annotate.language={switched}"]
    media_stage(tmp_path, None, load_settings("seed", names), [], 1)
    rows = {r["id"]: r for r in pq.read_table(tmp_path / "release" / "metadata").to_pylist()}
    on = switched == "auto"
    assert {id: row["language"] for id, row in rows.items()} == {
        "reddit-a": "en" if on else None,
        "reddit-b": "de" if on else None,
        "reddit-c": None,
        "youtube-d": "en-GB",
    }
    named = {id for id, row in rows.items() if annotator.ROW in row["annotators"]}
    assert named == ({"reddit-a", "reddit-b"} if on else set())
    card = (tmp_path / "release" / "README.md").read_text()
    assert ("lid.176" in card) == on


def videos(path, tags):
    rows = [
        {"id": f"{name:a>11}", "title": title, "upload_date": "20200101", "view_count": 50_000}
        | {"duration": 10, "like_count": 5, "comment_count": 1, "language": tags.get(name)}
        | {"comments": [{"id": f"c{name}", "text": "what a good thing to see here"}]}
        for name, title in TITLES.items()
    ]
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def dropped(tmp_path, detect, tags):
    out = tmp_path / "out"
    file = videos(tmp_path / "videos.jsonl.gz", tags)
    settings = load_settings("seed", [f"youtube.language_detect={detect}"])
    build_text(Request(out, (), (), (file,), (), None, 1), settings)
    kept = set(pq.read_table(out / "work" / "text" / "posts.parquet").column("id").to_pylist())
    gone = {r["id"]: r["value"] for r in ledger(out) if r["reason"] == "language"}
    names = {f"youtube-{name:a>11}": name for name in TITLES}
    assert kept | gone.keys() == names.keys()
    return {names[id]: value.split(" 0.")[0].split(" 1.")[0] for id, value in gone.items()}


@needs_model
def test_untagged_titles_are_judged_and_the_ledger_says_so(tmp_path):
    assert dropped(tmp_path, "missing", {"deu": "en", "eng": "it"}) == {
        "fra": "detected fr",
        "spa": "detected es",
        "jpn": "detected ja",
        "eng": "it",
    }


@needs_model
def test_all_judges_tagged_titles_too(tmp_path):
    found = dropped(tmp_path, "all", {"deu": "en", "eng": "it"})
    assert found["deu"] == "detected de"
    assert found["eng"] == "it"


def test_off_leaves_the_tag_and_the_script(tmp_path):
    assert dropped(tmp_path, "off", {"eng": "it"}) == {
        "eng": "it",
        "jpn": "title in another script",
    }


def test_without_the_extra_the_build_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, language.PACKAGE, None)  # as if it were not installed
    monkeypatch.setattr(language, "find_spec", lambda name: None)
    file = videos(tmp_path / "videos.jsonl.gz", {})
    request = Request(tmp_path / "out", (), (), (file,), (), None, 1)
    with pytest.raises(BuildError, match=r"blift\[lang\].*language_detect=off"):
        build_text(request, load_settings("seed", []))
    assert not (tmp_path / "out").exists()
