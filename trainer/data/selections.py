"""The ablations of the paper and its controls: which turns of which samples a run is shown.

One set of shards serves them all (paper sections 1, 2.2 and Table 9): a selection chooses turns and
samples while training and never rebuilds data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.data.mixture import Words, fingerprint, scatter

SALIENCY = "saliency"
COMMENTS = "comments"


class UnknownSelection(ValueError):
    """No selection has that name."""


@dataclass(frozen=True)
class Selection:
    """What a named run sees: turns (`task_mix`), a config of the release, a form, a subset.

    `form` keeps saliency turns that ask for an order (ranking) or for numbers (predicting);
    `shuffled` gives every sample the comments of another one with the same kind of media;
    `samples` is the size of a fixed subset.
    """

    task_mix: str
    config: str | None = None
    form: str | None = None
    shuffled: bool = False
    samples: int | None = None


SELECTIONS: dict[str, Selection] = {
    "behavior": Selection("all"),
    "ad_llava": Selection("scenes"),
    "likes": Selection("scenes+likes"),
    "comments": Selection("scenes+comments"),
    "salicon_object_ranking": Selection(SALIENCY, "salicon_object", "ranking"),
    "salicon_object_predicting": Selection(SALIENCY, "salicon_object", "predicting"),
    "salicon_region_ranking": Selection(SALIENCY, "salicon_region", "ranking"),
    "salicon_region_predicting": Selection(SALIENCY, "salicon_region", "predicting"),
    # controls: the same words beside the wrong media, and as many samples as SALICON has
    "shuffled_comments": Selection("all", shuffled=True),
    "blift_10k": Selection("all", samples=10_000),
}


def selection(name: str) -> Selection:
    """Return a selection by its name; UnknownSelection lists them all."""
    if name not in SELECTIONS:
        raise UnknownSelection(f"selection {name!r}: expected one of {', '.join(SELECTIONS)}")
    return SELECTIONS[name]


def of_form(turns: Sequence[Mapping[str, Any]], form: str | None) -> list[Any]:
    """Return the turns without saliency of another form; numbers in the answer mean predicting."""
    return [
        turn
        for turn in turns
        if form is None
        or turn["task"] != SALIENCY
        or bool(re.search(r"\d", turn["answer"])) == (form == "predicting")
    ]


def subset(words: Words, share: float, most: int | None) -> np.ndarray:
    """Return the rows of a fixed subset, in their own order: nested for growing sizes."""
    count = max(1, round(share * len(words)))
    chosen = np.argsort(scatter(words, fingerprint("subset")), kind="stable")
    return np.sort(chosen[: min(count, most or count)])


def partners(words: Words, kinds: Sequence[str], seed: int) -> np.ndarray:
    """Return for each row the row whose comments it gets: another one of the same kind.

    A kind with a single row keeps its own: there is no wrong one.
    """
    order = np.argsort(scatter(words, fingerprint(seed, "shuffled_comments")), kind="stable")
    found = np.arange(len(words))
    for kind in sorted(set(kinds)):
        ring = order[[kinds[row] == kind for row in order]]
        found[ring] = np.roll(ring, 1)
    return found


def with_comments_of(sample: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sample with the comments turn of another one; as it is where either has none."""
    taken = next((turn for turn in other["turns"] if turn["task"] == COMMENTS), None)
    if taken is None:
        return dict(sample)
    turns = [taken if turn["task"] == COMMENTS else turn for turn in sample["turns"]]
    return {**sample, "turns": turns}
