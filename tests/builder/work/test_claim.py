"""No command replaces files it did not make, nor reads its own as inputs."""

import json

import pytest

from builder.help.dumps import INFO, POSTS_IN, lines
from dataset_builder.cli import main
from dataset_builder.errors import UsageError
from dataset_builder.work.claim import HYDRATE, claim


def build(tmp_path, out, *more):
    posts = lines(tmp_path / "s.jsonl", POSTS_IN)
    return main(["build", "--reddit-submissions", posts, *map(str, more), "--media", "none",
                 "--workers", "1", "--allow-empty", "--out", str(out)])  # fmt: skip


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["work", "release", "ledger", "quarantine"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_folder_with_files_of_others_is_left_alone(tmp_path, capsys, name, more):
    out = tmp_path / "project"
    (out / name).mkdir(parents=True)
    (out / name / "mine.py").write_text("print('mine')\n")
    before = everything(out)
    assert build(tmp_path, out, *more) == 2
    said = capsys.readouterr().err
    assert f"holds {name}/, which this command did not make" in said
    assert everything(out) == before


def test_a_folder_of_other_names_is_used_and_a_build_is_built_again(tmp_path):
    out = tmp_path / "project"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert build(tmp_path, out) == 0
    assert build(tmp_path, out, "--set", "reddit.min_words=4") == 0
    assert (out / "notes.txt").read_text() == "mine"


def test_a_file_as_output_folder(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert build(tmp_path, tmp_path / "out") == 2
    assert "a file; give a folder" in capsys.readouterr().err


@pytest.mark.parametrize("inside", [".", "out", "deep/er"])
def test_an_output_folder_among_the_inputs(tmp_path, capsys, inside):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(INFO))
    assert build(tmp_path, folder / inside, "--youtube", folder) == 2
    assert "lies in the input folder" in capsys.readouterr().err
    assert [path.name for path in folder.rglob("*")] == ["a.json"]


def test_hydrate_takes_a_new_folder_or_its_own(tmp_path):
    out = tmp_path / "full"
    claim(out, HYDRATE)
    claim(out, HYDRATE)  # as it does when it is run again
    assert build(tmp_path, tmp_path / "dumps") == 0
    with pytest.raises(UsageError, match="did not make"):
        claim(tmp_path / "dumps", HYDRATE)
