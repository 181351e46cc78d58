"""A file given to the wrong option is refused, with the option that fits, before any work."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from builder.help.dumps import COMMENTS_IN, INFO, POSTS_IN, RELEASED, api_pages, lines, submission
from dataset_builder.cli import main
from dataset_builder.read.inputs import MOST_SMALL, ROWS


def build(tmp_path, capsys, *arguments):
    """(exit code, stderr) of a build without media."""
    out = tmp_path / "out"
    code = main(["build", *map(str, arguments), "--media", "none", "--out", str(out),
                 "--workers", "1", "--allow-empty",
                 "--set", "media.duration_unknown=keep"])  # fmt: skip
    return code, capsys.readouterr().err


@pytest.fixture
def files(tmp_path):
    """One file of each kind by the option it belongs to, and some that belong nowhere."""
    found = {
        "--reddit-submissions": lines(tmp_path / "s.jsonl", POSTS_IN),
        "--reddit-comments": str(tmp_path / "c.zst"),
        "--youtube": str(tmp_path / "v.jsonl.gz"),
        "release": lines(tmp_path / "release.jsonl", [RELEASED]),
        "other": lines(tmp_path / "other.json", [{"id": "a", "name": "x"}]),
    }
    text = "".join(json.dumps(row) + "\n" for row in COMMENTS_IN)
    (tmp_path / "c.zst").write_bytes(zstandard.compress(text.encode()))
    (tmp_path / "v.jsonl.gz").write_bytes(gzip.compress(json.dumps(INFO).encode() + b"\n"))
    pq.write_table(pa.Table.from_pylist(COMMENTS_IN), tmp_path / "c.parquet")
    return found


OPTIONS = ("--reddit-submissions", "--reddit-comments", "--youtube")


@pytest.mark.parametrize("given", OPTIONS)
@pytest.mark.parametrize("fits", OPTIONS)
def test_every_pair_of_option_and_file(files, tmp_path, capsys, given, fits):
    code, said = build(tmp_path, capsys, given, files[fits])
    if given == fits:
        assert code == 0
        return
    assert code == 2
    assert said.startswith(f"blift: {given} {files[fits]}: expected ")
    assert f"give the file to {fits}\n" in said
    assert "fields of the first: id, " in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", OPTIONS)
def test_a_file_that_fits_nowhere(files, tmp_path, capsys, given):
    code, said = build(tmp_path, capsys, given, files["other"])
    assert code == 2
    assert "fields of the first: id, name" in said
    assert "nothing this program reads" in said


def test_parquet_is_judged_by_its_columns(files, tmp_path, capsys):
    code, said = build(tmp_path, capsys, "--reddit-submissions", tmp_path / "c.parquet")
    assert (code, "--reddit-comments\n" in said) == (2, True)
    assert build(tmp_path, capsys, "--reddit-comments", tmp_path / "c.parquet")[0] == 0


def test_the_wrong_file_among_right_ones_and_in_a_folder(files, tmp_path, capsys):
    folder = tmp_path / "dumps"
    folder.mkdir()
    lines(folder / "a.jsonl", POSTS_IN)
    wrong = lines(folder / "b.jsonl", COMMENTS_IN)
    code, said = build(tmp_path, capsys, "--reddit-submissions", files[OPTIONS[0]], folder)
    assert code == 2
    assert wrong in said


def test_what_stays_accepted(files, tmp_path, capsys):
    """The authors' release; dumps of other subreddits; a right row behind odd ones; API pages."""
    folder = tmp_path / "pages"
    folder.mkdir()
    api_pages(folder)
    elsewhere = [submission(f"e{n}", subreddit="gardening") for n in range(5)]
    odd = [{"id": f"o{n}", "promoted": True} for n in range(ROWS - 1)]
    code, said = build(
        tmp_path, capsys,
        "--reddit-submissions", files["release"], lines(tmp_path / "all.jsonl", elsewhere),
        lines(tmp_path / "odd.jsonl", [*odd, *POSTS_IN]),
        "--youtube", folder, files["--youtube"],
    )  # fmt: skip
    assert (code, said.count("expected")) == (0, 0)


@pytest.mark.parametrize("given", OPTIONS)
def test_text_that_is_no_json(tmp_path, capsys, given):
    path = tmp_path / "prose.txt"
    path.write_text("It was a dark and stormy night.\n" * ROWS)
    code, said = build(tmp_path, capsys, given, path)
    assert code == 2
    assert "It was a dark" in said
    assert "one JSON object a line" in said


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_where_lines_are_expected(tmp_path, capsys, indent):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(COMMENTS_IN, indent=indent))
    code, said = build(tmp_path, capsys, "--reddit-comments", path)
    assert code == 2
    assert "one JSON array" in said
    assert "jq -c" in said


def test_wrong_ones_among_very_many_small_files(tmp_path, capsys):
    """Only some small files are looked at first; the reading task finds the others."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for at in range(MOST_SMALL + 1):
        (folder / f"{at:03d}.json").write_text(json.dumps(INFO | {"id": f"AAAAAAAA{at:03d}"}))
    lines(folder / "zzz.jsonl", COMMENTS_IN)
    code, said = build(tmp_path, capsys, "--youtube", folder)
    assert code == 1
    assert "zzz.jsonl" in said
    assert "link_id" in said


def test_a_folder_named_like_a_file(tmp_path, capsys):
    folder = tmp_path / "videos"
    (folder / "x.json").mkdir(parents=True)
    assert build(tmp_path, capsys, "--youtube", folder)[0] == 2
    (folder / "x.json" / "a.json").write_text(json.dumps(INFO))
    assert build(tmp_path, capsys, "--youtube", folder)[0] == 0
