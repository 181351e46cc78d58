"""What cannot be read is counted line by line, and a file that is nothing but that is an error."""

import json

import pyarrow.parquet as pq
import pytest

from builder.help.dumps import COMMENTS_IN, INFO, POSTS_IN, RELEASED, lines
from dataset_builder.cli import main


def build(tmp_path, *arguments):
    return main(["build", *map(str, arguments), "--media", "none", "--workers", "1",
                 "--out", str(tmp_path / "out"), "--allow-empty"])  # fmt: skip


def malformed(tmp_path):
    rows = pq.read_table(tmp_path / "out" / "ledger").to_pylist()
    return {row["id"]: row["value"] for row in rows if row["reason"] == "malformed"}


@pytest.mark.parametrize(
    "text",
    [
        "It was\na dark and\nstormy night.\n",
        "\r".join(json.dumps(row) for row in COMMENTS_IN),  # line ends of old Macs
        json.dumps({"id": None}) + "\n",
        json.dumps(COMMENTS_IN[0], indent=1),
    ],
)
@pytest.mark.parametrize("option", ["--reddit-submissions", "--reddit-comments", "--youtube"])
def test_a_short_file_without_one_good_line(tmp_path, capsys, text, option):
    path = tmp_path / "short"
    path.write_text(text)
    assert build(tmp_path, option, path) != 0
    said = capsys.readouterr().err
    assert str(path) in said
    assert said.count("\n") == 1


def test_the_message_counts_and_the_limit_can_be_lifted(tmp_path, capsys):
    path = tmp_path / "c.txt"
    path.write_text("It was\na dark and\nstormy night.\n")
    posts = ("--reddit-submissions", lines(tmp_path / "s.jsonl", POSTS_IN))
    assert build(tmp_path, *posts, "--reddit-comments", path) == 1
    assert "all 3 lines are malformed (first: line 1, not JSON" in capsys.readouterr().err
    every = ("--set", "build.max_bad_lines=1")
    assert build(tmp_path, *posts, "--reddit-comments", path, *every) == 0
    assert sorted(malformed(tmp_path)) == ["c.txt:1", "c.txt:2", "c.txt:3"]


def videos(count):
    return [INFO | {"id": f"AAAAAAA{n:04d}"} for n in range(count)]


def test_bad_lines_among_many_good_records(tmp_path):
    path = tmp_path / "v.jsonl"
    lines(path, videos(500))
    with path.open("a") as file:
        file.write("{bad\n" * 5)  # 5 of 505: not more than 1 %
    assert build(tmp_path, "--youtube", path) == 0
    assert len(malformed(tmp_path)) == 5


def test_items_of_an_array_that_are_no_objects(tmp_path):
    path = tmp_path / "v.json"
    path.write_text(json.dumps([5, *videos(1), "x", None]))
    assert build(tmp_path, "--youtube", path) == 0
    assert malformed(tmp_path) == {
        "v.json:1": "item 1: a int where an object was expected",
        "v.json:3": "item 3: a str where an object was expected",
        "v.json:4": "item 4: a NoneType where an object was expected",
    }


def test_what_is_set_apart_names_nobody(tmp_path):
    """Where an id, a kind or a language stands, a person's name or address may stand as well."""
    who = "maria9@example.com"
    odd = [
        {"id": who, "extractor": who, "title": "x"}, {"kind": who}, {"id": "a", who: 1},
        {"kind": "youtube#comment", "id": who},
    ]  # fmt: skip
    path = tmp_path / "v.jsonl"
    lines(path, [*videos(600), *odd, INFO | {"language": who}, INFO | {"id": who}])
    released = lines(tmp_path / "s.jsonl", [RELEASED, RELEASED | {"permalink": who}])
    talk = [COMMENTS_IN[0] | {"id": who}, COMMENTS_IN[1] | {"link_id": f"t3_{who}"}]
    talk = lines(tmp_path / "c.jsonl", talk)
    sources = ("--reddit-submissions", released, "--reddit-comments", talk)
    assert build(tmp_path, "--youtube", path, *sources) == 0
    assert len(malformed(tmp_path)) == 5
    rows = pq.read_table(tmp_path / "out" / "ledger").to_pylist()
    assert not [row for row in rows if who in f"{row['value']} {row['id']}"]
    assert {row["value"] for row in rows if row["reason"] == "bad_id"} == {"xxxxxx@xxxxxxx.xxx"}
    for file in (tmp_path / "out" / "quarantine").iterdir():
        assert who not in file.read_text()


def test_one_bad_file_of_many_is_a_row_and_many_are_an_error(tmp_path, capsys):
    folder = tmp_path / "videos"
    folder.mkdir()
    for at, video in enumerate(videos(20)):
        (folder / f"{at:02d}.json").write_text(json.dumps(video))
    (folder / "bad.json").write_text("{")
    assert build(tmp_path, "--youtube", folder) == 0
    assert sorted(malformed(tmp_path)) == ["bad.json:1"]
    for at in range(10, 20):
        (folder / f"{at:02d}.json").write_text("{")
    assert build(tmp_path, "--youtube", folder) == 1
    said = capsys.readouterr().err
    assert "11 of 21 records cannot be read" in said
    for file in folder.iterdir():
        file.write_text("{")
    assert build(tmp_path, "--youtube", folder) == 1
