"""Loading rows: what is missing is named, and a rebuilt folder is read anew."""

import shutil
from pathlib import Path

import pytest

from trainer.data.rows import DatasetProblem, dataset_revision, load_rows
from trainer.provenance import unplaced
from training.fixtures import write_release


def ids(folder: Path, split: str) -> list[str]:
    rows = load_rows(str(folder), None, split, None, streaming=False)
    return [sample["id"] for sample in rows.select_columns(["json"])["json"]]


def test_a_rebuilt_folder_is_read_anew(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    write_release(folder, {"train": 2, "test": 1})
    assert ids(folder, "test") == ["youtube-s002"]
    shutil.rmtree(folder)
    write_release(folder, {"train": 3, "test": 1})
    assert ids(folder, "test") == ["reddit-s003"]


def test_streaming_gives_the_same_rows(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", {"train": 3})
    streamed = load_rows(str(folder), None, "train", None, streaming=True)
    assert [row["json"]["id"] for row in streamed] == ids(folder, "train")
    kinds = [(row["mp4"]["bytes"] or b"")[4:8] for row in streamed]
    assert kinds == [b"ftyp", b"", b"ftyp"]


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("/no/such/release", "train", "no such folder"),
        ("a/b/c", "train", "no such folder"),
        ("release", "held", "has no split 'held'.*train"),
        ("other", "train", r"columns \['text'\], expected `json`"),
    ],
)
def test_what_is_missing_is_named(
    name: str, split: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_release(tmp_path / "release", {"train": 1}, media=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train.txt").write_text("a line\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetProblem, match=message):
        load_rows(name, None, split, None, streaming=False)


def test_the_manifests_root_pins_the_data(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", {"train": 1}, media=False)
    assert len(str(dataset_revision(str(folder), None))) == 64
    (folder / "manifest.json").unlink()
    assert dataset_revision(str(folder), None) is None


def test_records_name_no_place_of_this_machine():
    record = {
        "dataset": "/data/me/blift", "base_model": "behavior-llava/base", "url": "https://a.b/c",
        "command": ["--config", "trainer/recipes/tiny.yaml", "--dataset=/data/me/blift", "~/x/y"],
        "seconds": 3.5, "settings": {"output_dir": Path("/data/me/out"), "none": None},
    }  # fmt: skip
    assert unplaced(record) == {
        "dataset": "blift", "base_model": "behavior-llava/base", "url": "https://a.b/c",
        "command": ["--config", "trainer/recipes/tiny.yaml", "--dataset=blift", "y"],
        "seconds": 3.5, "settings": {"output_dir": "out", "none": None},
    }  # fmt: skip
