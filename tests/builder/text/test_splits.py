"""Splits: nothing that belongs together is in two of them."""

import collections
import random

import pytest

from dataset_builder.errors import UsageError
from dataset_builder.settings import load_settings
from dataset_builder.text.splits import assign, group_keys


def post(name, **changes):
    row = {
        "id": f"reddit-{name}", "source": "reddit", "native_id": name, "media_key": name,
        "author_key": None, "channel": None, "channel_id": None, "title": f"t {name}",
    }  # fmt: skip
    return row | changes


def settings(*changes):
    return load_settings("seed", [f"splits.{change}" for change in changes])


def test_groups_by_author_channel_video_and_title():
    posts = [
        post("a", author_key="h1"),
        post("b", author_key="h1", title="One title of four words"),
        post("c", title="one title, of four WORDS!"),
        post("d", media_key="VVVVVVVVVVV"),
        post("e", id="youtube-VVVVVVVVVVV", source="youtube", native_id="VVVVVVVVVVV",
             media_key="VVVVVVVVVVV", channel="C"),
        post("f", id="youtube-w", source="youtube", native_id="w", media_key="w", channel="C"),
        post("g", title="My dog"),
        post("h", title="my dog"),
    ]  # fmt: skip
    keys = group_keys(posts)
    assert keys == ["reddit-a"] * 3 + ["reddit-d"] * 3 + ["reddit-g", "reddit-h"]


def test_keys_hold_no_author():
    assert group_keys([post("z", author_key="secret"), post("y", author_key="secret")]) == [
        "reddit-y",
        "reddit-y",
    ]


def crowd(count):
    draw = random.Random(1)
    groups = [f"g{draw.randrange(count // 3)}" for _ in range(count)]
    return groups, [draw.randrange(10**9) for _ in range(count)]


@pytest.mark.parametrize("method", ["hash", "quota", "time"])
def test_groups_stay_together_and_shares_hold(method):
    groups, created = crowd(6000)
    names = assign(groups, created, settings(f"method={method}", "test=0.1", "validation=0.2"))
    by_group = collections.defaultdict(set)
    for group, name in zip(groups, names, strict=True):
        by_group[group].add(name)
    assert all(len(found) == 1 for found in by_group.values())
    count = collections.Counter(names)
    assert count["test"] / 6000 == pytest.approx(0.1, abs=0.02)
    assert count["validation"] / 6000 == pytest.approx(0.2, abs=0.03)


def test_hash_never_moves_a_group_as_data_grow():
    groups, created = crowd(3000)
    few = dict(zip(groups[:1000], assign(groups[:1000], created[:1000], settings()), strict=True))
    many = dict(zip(groups, assign(groups, created, settings()), strict=True))
    assert all(many[group] == name for group, name in few.items())


def test_seed():
    groups, created = crowd(900)
    first = assign(groups, created, settings("seed=0"))
    assert first == assign(groups, created, settings("seed=0"))
    assert first != assign(groups, created, settings("seed=1"))


def test_time_gives_the_newest_to_test():
    groups = [f"g{n}" for n in range(20)]
    names = assign(groups, list(range(20)), settings("method=time", "test=0.1", "validation=0.1"))
    assert names == ["train"] * 16 + ["validation"] * 2 + ["test"] * 2


def test_small_data_still_have_a_train_split():
    tiny = settings("method=quota", "test=0.5", "validation=0.49")
    assert assign(["g"], [None], tiny) == ["train"]
    three = assign(["a", "b", "c"], [1, 2, 3], tiny)
    assert collections.Counter(three) == {"test": 2, "train": 1}
    assert assign([], [], tiny) == []


def test_unknown_method():
    with pytest.raises(UsageError, match="hash, quota, time"):
        settings("method=dice")
