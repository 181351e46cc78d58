"""train / validation / test: no author, channel, video or near-duplicate title in two of them."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataset_builder.settings import Settings
from dataset_builder.work.groups import Groups

TITLE_WORDS = 4  # shorter titles ("My dog") say nothing about being the same


def group_keys(posts: Iterable[Mapping[str, Any]]) -> list[str]:
    """One key per post; posts that share an author, channel, video or title share the key.

    The key is the smallest post id of the group, so it holds no trace of the author's hash.
    """
    groups, ids = Groups(), []
    first: dict[bytes, int] = {}
    for post in posts:
        index = groups.add()
        ids.append(post["id"])
        for tie in _ties(post):
            # short digests: millions of titles would not fit in memory as they are
            key = hashlib.blake2b(tie.encode(), digest_size=12).digest()
            groups.join(first.setdefault(key, index), index)
    smallest: dict[int, str] = {}
    for index, id in enumerate(ids):
        top = groups.root(index)
        smallest[top] = min(smallest.get(top, id), id)
    return [smallest[groups.root(index)] for index in range(len(ids))]


def _ties(post: Mapping[str, Any]) -> list[str]:
    ties = []
    if post["author_key"]:
        ties.append(f"author {post['author_key']}")
    if post["channel_id"] or post["channel"]:
        ties.append(f"channel {post['channel_id'] or post['channel']}")
    if post["source"] == "youtube" or post["media_key"] != post["native_id"]:
        ties.append(f"video {post['media_key']}")
    words = re.findall(r"\w+", (post["title"] or "").lower())
    if len(words) >= TITLE_WORDS:
        ties.append("title " + " ".join(words))
    return ties


def assign(groups: Sequence[str], created: Sequence[int | None], settings: Settings) -> list[str]:
    """The split of each post, the same for all posts of a group.

    `hash` decides each group by itself, so a post never moves as the data grow; `quota` fills
    exact shares; `time` gives the newest groups to test, then validation.
    """
    chosen = settings.splits
    if chosen.method == "hash":
        both = chosen.test + chosen.validation
        drawn = (_draw(group, chosen.seed) for group in groups)
        return ["test" if u < chosen.test else "validation" if u < both else "train" for u in drawn]
    draw = {group: _draw(group, chosen.seed) for group in set(groups)}
    order = sorted(draw, key=lambda group: (draw[group], group))
    if chosen.method == "time":
        newest: dict[str, int] = {}
        for group, moment in zip(groups, created, strict=True):
            newest[group] = max(newest.get(group, -(2**62)), moment or -(2**62))
        order = sorted(draw, key=lambda group: (-newest[group], group))
    return _fill(groups, order, {"test": chosen.test, "validation": chosen.validation})


def _draw(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _fill(groups: Sequence[str], order: list[str], shares: dict[str, float]) -> list[str]:
    size: dict[str, int] = {}
    for group in groups:
        size[group] = size.get(group, 0) + 1
    names, queue = {}, list(order)
    for split, share in shares.items():
        wanted, taken = share * len(groups), 0
        # the last group always stays in train
        while share and taken < wanted and len(queue) > 1:
            group = queue.pop(0)
            names[group] = split
            taken += size[group]
    return [names.get(group, "train") for group in groups]
