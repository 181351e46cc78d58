"""Whole or not at all, and on the disk when it is said to be."""

import os

import pytest

from dataset_builder.work import whole_files
from dataset_builder.work.whole_files import UNFINISHED, sweep, whole, whole_file, write_text


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_comes_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder" / "a.json"
    write_text(target, "one")

    def half():
        with whole_file(target) as file:
            file.write(b"ha")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        half()
    assert target.read_text() == "one"
    assert names(tmp_path) == ["a.json", "folder"]
    write_text(target, "two")
    assert target.read_text() == "two"


def test_a_folder_replaces_the_one_before(tmp_path):
    for content in ("1", "2"):
        with whole(tmp_path / "parts") as folder:
            folder.mkdir()
            (folder / content).write_text(content)
        assert names(tmp_path / "parts") == [content]


def test_what_a_killed_process_left_is_swept(tmp_path):
    (tmp_path / f".a.1{UNFINISHED}").write_text("half")
    left = tmp_path / "in" / f".parts.1{UNFINISHED}"
    left.mkdir(parents=True)
    (left / "x").write_text("half")
    (tmp_path / "whole").write_text("whole")
    sweep(tmp_path)
    assert names(tmp_path) == ["in", "whole"]


def test_the_rename_itself_is_on_the_disk(tmp_path, monkeypatch):
    """Tombstones must be there before anything else is touched, power cut or not."""
    steps = []
    sync, replace = whole_files._sync, type(tmp_path).replace
    monkeypatch.setattr(whole_files, "_sync", lambda path: (steps.append(path.name), sync(path)))
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda old, new: (steps.append("renamed"), replace(old, new))
    )
    write_text(tmp_path / "tombstones.jsonl", "x")
    assert steps == [f".tombstones.jsonl.{os.getpid()}{UNFINISHED}", "renamed", tmp_path.name]
