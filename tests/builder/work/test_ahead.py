"""Steps that run beside each other: same items, same order, errors and ends handed on."""

import random
import re
import threading
import time

import pytest
import zstandard

from dataset_builder.read.compressed import Budget
from dataset_builder.read.ndjson import Tally, tables
from dataset_builder.settings import load_settings
from dataset_builder.vocabulary import BOT_SIGNATURE, MARK_GATE, NSFW_MARK
from dataset_builder.work.ahead import ahead, ordered


def slow(number):
    time.sleep(random.Random(number).random() / 200)
    return number * 2


@pytest.mark.parametrize("threads", [1, 3])
def test_order_is_kept(threads):
    assert list(ordered(slow, ahead(iter(range(50))), threads)) == [2 * n for n in range(50)]


def test_an_error_of_the_source_arrives_behind_the_items_before_it():
    def source():
        yield 1
        raise ValueError("cut")

    found = []
    with pytest.raises(ValueError, match="cut"):
        found.extend(ahead(source()))
    assert found == [1]


def test_an_error_of_the_work_ends_it():
    with pytest.raises(ZeroDivisionError):
        list(ordered(lambda n: 1 // n, ahead(iter([2, 1, 0, 5])), 2))


def test_leaving_early_closes_the_source_and_its_threads():
    closed = threading.Event()

    def source():
        try:
            yield from range(10**9)
        finally:
            closed.set()

    before = threading.active_count()
    items = ordered(slow, ahead(source()), 2)
    assert next(items) == 0
    items.close()
    assert closed.wait(5)
    assert threading.active_count() == before


def test_bad_lines_are_numbered_alike_whatever_the_threads(tmp_path, monkeypatch):
    monkeypatch.setattr("dataset_builder.read.streams.BLOCK_BYTES", 500)
    lines = [b'{"id": "%d"}' % n if n % 37 else b"{bad %d" % n for n in range(2000)]
    path = tmp_path / "a.zst"
    path.write_bytes(zstandard.compress(b"\n".join(lines)))
    budget = Budget.of(load_settings("seed", []))
    found = []
    for threads in (1, 4):
        tally = Tally()
        ids = [
            row["id"]
            for t in tables(path, ("id",), "id", budget, tally, threads)
            for row in t.to_pylist()
        ]
        found.append((ids, tally.bad, tally.rows))
    assert found[0] == found[1]
    assert [bad.line for bad in found[0][1]] == list(range(1, 2001, 37))


def test_every_text_with_a_mark_passes_the_gate():
    gate, marks = re.compile(MARK_GATE), [re.compile(NSFW_MARK), re.compile(BOT_SIGNATURE)]
    words = "nsfw NSFW i'm I am this is a an robot Bot bot beep boop be-ep BEEEP BOP action was "
    words += "performed automatically *I^'m^ ^bot the great ^am "
    draw, hits = random.Random(3), 0
    for _ in range(100_000):
        text = " ".join(draw.choices(words.split(), k=draw.randint(1, 7)))
        if any(mark.search(text) for mark in marks):
            hits += 1
            assert gate.search(text), text
    assert hits > 1000
