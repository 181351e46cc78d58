"""Streamed rows: the same order for any readers, and bookmarks that only save reading."""

import copy
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from trainer.data.loader import MixedRows
from trainer.data.mixture import MicroBatches, Mixture, Source
from trainer.data.rows import load_rows, shard_counts
from trainer.data.selections import SELECTIONS, selection
from trainer.data.stream import Bookmark, StreamedRows
from training.fixtures import write_release

SAMPLES = 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream") / "release"
    return write_release(folder, {"train": SAMPLES}, media=False, shards=3)


def streamed(folder: Path, name: str = "behavior", **marks: Any) -> StreamedRows:
    rows = load_rows(str(folder), None, "train", None, streaming=True)
    chosen = selection(name)
    return StreamedRows(rows, chosen, {chosen.task_mix: 1.0}, 5, 3, 4, True, **marks)


def name(row: dict[str, Any]) -> str:
    return row["json"]["id"]


def read(folder: Path, processes: int, workers: int, steps: int, first: int = 0) -> list[str]:
    """The ids of all micro-batches of a run, read by real loaders."""
    mixture = Mixture((Source(SAMPLES),), 1.0, 5, 4, "random", 3, 2)
    loaders = [
        iter(
            DataLoader(
                MixedRows(streamed(folder), None),
                batch_sampler=MicroBatches(mixture, 2, process, processes, first),
                collate_fn=lambda rows: [name(row) for row in rows],
                num_workers=workers,
                persistent_workers=workers > 0,
            )
        )
        for process in range(processes)
    ]
    rounds = steps * mixture.step // mixture.micro // processes
    return [name for _ in range(rounds) for loader in loaders for name in next(loader)]


def test_the_order_is_the_same_for_processes_and_workers(folder: Path) -> None:
    once = read(folder, 1, 0, 14)
    assert once == read(folder, 2, 0, 14)
    assert once == read(folder, 1, 2, 14)
    assert once[24:] == read(folder, 2, 1, 8, first=6)
    assert len(set(once[:SAMPLES])) > SAMPLES // 2


def test_a_lane_goes_through_every_row_of_its_shards_each_pass(folder: Path) -> None:
    rows = streamed(folder)
    rows.lanes = 1
    passes = [[name(rows(0, rank + SAMPLES * turn)) for rank in range(SAMPLES)] for turn in (0, 1)]
    assert len(set(passes[0])) == SAMPLES
    assert sorted(passes[0]) == sorted(passes[1])
    assert passes[0] != passes[1]
    assert {rows(0, 2 * SAMPLES)["turn"]} == {2}


@pytest.mark.parametrize("chosen", ["behavior", "shuffled_comments"])
def test_bookmarks_change_what_is_read_and_not_what_comes(folder: Path, chosen: str) -> None:
    """Every row's bookmark leads to the same rows after it; most reading is then saved."""
    rows = streamed(folder, chosen)
    unbroken = [rows(1, rank) for rank in range(40)]
    for rank in (0, 3, 9, 10, 25, 31):
        lane, *mark = unbroken[rank]["bookmark"]
        again = streamed(folder, chosen, bookmarks={lane: Bookmark(*mark)})
        opened: list[tuple[int, int]] = []
        original = again._read
        again._read = lambda shard, skip, original=original, opened=opened: (  # type: ignore[method-assign]
            opened.append((shard, skip)) or original(shard, skip)
        )
        found = [again(1, later) for later in range(rank, 40)]
        assert [row["json"] for row in found] == [row["json"] for row in unbroken[rank:]]
        if rank > 4:
            assert opened[0] != (again.shards(1, 0)[0], 0) or mark[1] > 0


def test_shuffled_comments_are_others_and_right(folder: Path) -> None:
    mine = streamed(folder)
    rows = {name(row): row["json"] for row in (mine(0, rank) for rank in range(8))}
    wrong = streamed(folder, "shuffled_comments")
    owners = {comments(sample): key for key, sample in rows.items()}
    for rank in range(8):
        row = wrong(0, rank)
        owner = owners[comments(row["json"])]
        assert owner != name(row)
        assert rows[owner]["media_type"] == row["json"]["media_type"]
        assert row["json"]["intro"] == rows[name(row)]["intro"]


def comments(sample: dict[str, Any]) -> str:
    return next(turn["answer"] for turn in sample["turns"] if turn["task"] == "comments")


def test_counts_come_from_the_manifest_or_the_headers(folder: Path) -> None:
    assert shard_counts(str(folder), None, "train", None) == SAMPLES
    assert shard_counts(str(folder), None, "test", None) is None


def test_every_selection_is_a_copy_of_nothing(folder: Path) -> None:
    """Selections read rows; the rows that a stream holds stay as they are."""
    raw = streamed(folder)
    before = copy.deepcopy([raw(0, rank)["json"] for rank in range(6)])
    for chosen in SELECTIONS:
        if SELECTIONS[chosen].config is None:
            streamed(folder, chosen)(0, 5)
    fresh = streamed(folder)
    assert [fresh(0, rank)["json"] for rank in range(6)] == before
