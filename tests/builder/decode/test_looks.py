"""The search for look-alikes finds every pair that comparing all with all finds."""

import itertools
import random

import pytest

from dataset_builder.decode.looks import Looks, Signature, duplicate_groups, same_media
from dataset_builder.work.groups import Groups

BITS = 64
THUMB = "80" * 192


def flipped(bits: int, count: int, draw: random.Random) -> int:
    for place in draw.sample(range(BITS), count):
        bits ^= 1 << place
    return bits


def crowd(seed: int) -> dict[str, Looks]:
    """Random pictures and videos, and near copies of them at 0 to 6 bits a signature."""
    draw = random.Random(seed)
    found = {}
    for at in range(60):
        kind, frames = draw.choice([("image", 1), ("video", 4)])
        bits = [draw.getrandbits(BITS) for _ in range(frames)]
        for copy in range(draw.choice([1, 1, 2, 4])):
            near = [flipped(one, draw.randrange(7) if copy else 0, draw) for one in bits]
            looks = tuple(Signature(f"{one:016x}", THUMB) for one in near)
            sha = f"{draw.getrandbits(40):010x}-{at}-{copy}"
            found[sha] = Looks(sha, kind, 10.0 if kind == "video" else None, looks)
    return found


@pytest.mark.parametrize("distance", [0, 1, 4, 7])
@pytest.mark.parametrize("seed", range(4))
def test_as_the_plain_double_loop(seed, distance):
    items = crowd(seed)
    rows = [
        (sha, one.media_type, [int(look.bits, 16) for look in one.signatures])
        for sha, one in items.items()
    ]
    names = sorted(items)
    plain = Groups(len(names))
    for a, b in itertools.combinations(range(len(names)), 2):
        if same_media(items[names[a]], items[names[b]], distance):
            plain.join(a, b)
    expected = [[names[at] for at in members] for members in plain.several()]
    assert duplicate_groups(rows, items.__getitem__, distance) == expected
    assert expected or distance == 0


def test_groups_are_named_by_their_smallest():
    groups = Groups(6)
    assert groups.join(5, 2)
    assert groups.join(2, 4)
    assert not groups.join(4, 5)
    assert [groups.root(member) for member in range(6)] == [0, 1, 2, 3, 2, 2]
    assert list(groups.several()) == [[2, 4, 5]]
