"""hvu_4096: which categories the picks among 30 random tags belong to (the project's reading)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def valid_picks(picks: Sequence[str], candidates: Collection[str]) -> list[str]:
    """Picks that are candidates, each once; the others are unparsed."""
    return [pick for pick in dict.fromkeys(picks) if pick in candidates]


def pick_categories(
    picks: Sequence[Sequence[str]],
    candidates: Sequence[Collection[str]],
    truth: Sequence[Collection[str]],
    category_of: Mapping[str, str],
) -> dict[str, Any]:
    """Per category: share of segments that have it in the truth with a valid pick of it.

    overall: mean of the categories. tag_precision: share of valid picks that are true tags, near
    zero by construction, with the mean number of true candidates beside it.
    """
    hits: dict[str, int] = dict.fromkeys(category_of.values(), 0)
    counts = dict(hits)
    valid_count = true_count = unparsed = true_candidates = 0
    for chosen, offered, tags in zip(picks, candidates, truth, strict=True):
        valid = valid_picks(chosen, offered)
        unparsed += sum(pick not in offered for pick in chosen)
        valid_count += len(valid)
        true_count += sum(pick in tags for pick in valid)
        true_candidates += sum(tag in tags for tag in offered)
        picked = {category_of[pick] for pick in valid}
        for category in {category_of[tag] for tag in tags}:
            counts[category] += 1
            hits[category] += category in picked
    values = {name: hits[name] / counts[name] for name in hits if counts[name]}
    return {
        "categories": {
            name: {"hits": hits[name], "n": counts[name], "value": values.get(name)}
            for name in hits
        },
        "overall": sum(values.values()) / len(values) if values else None,
        "unparsed_picks": unparsed,
        "empty_items": sum(not chosen for chosen in picks),
        "tag_precision": true_count / valid_count if valid_count else None,
        "mean_true_candidates": true_candidates / len(truth) if truth else None,
    }
