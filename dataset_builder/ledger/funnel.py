"""The funnel: what each step of the paper left, ours beside the paper's, table, JSON, picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder.ledger import ledger
from dataset_builder.work.whole_files import write_text


@dataclass(frozen=True)
class FunnelStep:
    """A step of the paper: reasons that belong to it, and the paper's count after it.

    `paper` is by media type; None where the paper prints no number.
    """

    name: str
    reasons: frozenset[str]
    paper: Mapping[str, int | None]


def _step(name: str, reasons: Sequence[str], image: int | None, video: int | None) -> FunnelStep:
    return FunnelStep(name, frozenset(reasons), {"image": image, "video": video})


# arXiv 2405.00942 sec. 2.1; "3.1 M + 2.0 M" is printed as excluded and read as what remains
STEPS: dict[str, tuple[FunnelStep, ...]] = {
    "reddit": (
        _step(
            "read",
            ["malformed", "repeated", "other_subreddit", "bad_id", "forgotten"],
            None,
            None,
        ),
        _step("since 2015-02", ["no_date", "before_overlay_rule"], 3_100_000, 2_000_000),
        _step("2018-01 to 2022-01", ["before_window", "after_window"], 1_400_000, 1_100_000),
        _step(
            "not NSFW, bot, deleted, duplicate",
            ["nsfw", "bot", "deleted", "nsfw_words", "duplicate"],
            876_000,
            983_000,
        ),
        _step("comments left", ["few_comments"], 631_000, 397_000),
        _step("at most 500 s", ["too_long", "duration_unknown"], 631_000, 221_000),
        _step("hosted and available", ["gallery", "not_hosted"], 400_000, 80_000),
    ),
    "youtube": (
        _step("read", ["malformed", "repeated", "bad_id", "forgotten"], None, 2_200_000),
        _step(
            "2018 to 2023, listed channels",
            ["no_date", "before_window", "after_window", "channel_not_listed"],
            None,
            None,
        ),
        _step(
            "topic, language", ["category", "topic", "language", "comments_disabled"], None, None
        ),
        _step("at most 60 s", ["too_long", "duration_unknown"], None, None),
        _step("over 10,000 views", ["few_views"], None, None),
        _step("word list", ["nsfw", "nsfw_words"], None, None),
        _step("comments left and available", ["few_comments"], None, 250_000),
    ),
}
# sec. 2.1; YouTube's is 3.1 comments per video times 250 k videos, our product
PAPER_COMMENTS = {("reddit", "image"): 1_500_000, ("reddit", "video"): 312_000}
PAPER_COMMENTS[("youtube", "video")] = 775_000


def funnel(root: Path) -> dict[str, Any]:
    """Steps per source and media type, comments per reason, totals per kind."""
    rows = ledger.counts(root)
    return {
        "steps": _post_steps([row for row in rows if row["kind"] == "post"]),
        "comments": _comments([row for row in rows if row["kind"] == "comment"]),
        "totals": _totals(rows),
    }


def _post_steps(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = []
    # rows without a media type (malformed, other subreddits) belong to no column of the paper
    columns = sorted({(r["source"], r["media_type"]) for r in rows if r["media_type"]})
    for source, media in columns:
        mine = [r for r in rows if (r["source"], r["media_type"]) == (source, media)]
        left = sum(row["items"] for row in mine)
        steps = STEPS[source]
        for step in steps:
            reasons = {
                row["reason"]: row["items"]
                for row in mine
                if not row["kept"] and _owner(steps, row["reason"]) is step
            }
            entered, left = left, left - sum(reasons.values())
            table.append(
                {
                    "source": source,
                    "media_type": media,
                    "step": step.name,
                    "in": entered,
                    "out": left,
                    "dropped": dict(sorted(reasons.items())),
                    "paper": step.paper[media],
                }
            )
    return table


def _owner(steps: tuple[FunnelStep, ...], reason: str) -> FunnelStep:
    """The step a reason belongs to; availability and everything of the media stage is last."""
    return next((step for step in steps if reason in step.reasons), steps[-1])


def _comments(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = []
    columns = sorted({(r["source"], r["media_type"]) for r in rows if r["media_type"]})
    for source, media in columns:
        mine = [r for r in rows if (r["source"], r["media_type"]) == (source, media)]
        dropped: dict[str, int] = {}
        for row in mine:
            if not row["kept"]:
                dropped[row["reason"]] = dropped.get(row["reason"], 0) + row["items"]
        table.append(
            {
                "source": source,
                "media_type": media,
                "in": sum(row["items"] for row in mine),
                "kept": sum(row["items"] for row in mine if row["kept"]),
                "dropped": dict(sorted(dropped.items())),
                "paper": PAPER_COMMENTS.get((source, media)),
            }
        )
    return table


def _totals(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = totals.setdefault(row["kind"], {"in": 0, "kept": 0, "dropped": 0})
        kind["in"] += row["items"]
        kind["kept" if row["kept"] else "dropped"] += row["items"]
    return totals


def write_funnel(root: Path) -> dict[str, Any]:
    """Write funnel.json and funnel.png; returns the funnel."""
    from dataset_builder.ledger.funnel_plot import draw

    found = funnel(root)
    write_text(root / "funnel.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    draw(found, root / "funnel.png")
    return found


def format_table(found: Mapping[str, Any]) -> str:
    """The funnel as aligned text."""
    lines = [f"{'source':8} {'media':6} {'step':34} {'ours':>12} {'paper':>12}  dropped"]
    for row in found["steps"]:
        paper = f"{row['paper']:,}" if row["paper"] is not None else "-"
        why = ", ".join(f"{reason} {count:,}" for reason, count in row["dropped"].items())
        lines.append(
            f"{row['source']:8} {row['media_type']:6} {row['step']:34} {row['out']:>12,} "
            f"{paper:>12}  {why}"
        )
    for row in found["comments"]:
        paper = f"{row['paper']:,}" if row["paper"] is not None else "-"
        why = ", ".join(f"{reason} {count:,}" for reason, count in row["dropped"].items())
        name = f"comments kept of {row['in']:,}"
        lines.append(
            f"{row['source']:8} {row['media_type']:6} {name:34} {row['kept']:>12,} "
            f"{paper:>12}  {why}"
        )
    return "\n".join(lines)


def stats(root: Path) -> dict[str, Any]:
    """Funnel and ledger counts of a build. Raises BuildError when there is no ledger."""
    return {"funnel": funnel(root), "reasons": ledger.counts(root)}


def format_stats(found: dict[str, Any]) -> str:
    """Both tables as text."""
    lines = [format_table(found["funnel"]), ""]
    lines.append(f"{'kind':8} {'source':8} {'media':6} {'stage':11} {'reason':36} {'items':>12}")
    for row in found["reasons"]:
        reason = "kept" if row["kept"] else row["reason"]
        media = row["media_type"] or "-"
        lines.append(
            f"{row['kind']:8} {row['source']:8} {media:6} {row['stage']:11} {reason:36} "
            f"{row['items']:>12,}"
        )
    for kind, total in found["funnel"]["totals"].items():
        lines.append(
            f"{kind}s: {total['in']:,} in = {total['kept']:,} kept + {total['dropped']:,} dropped"
        )
    return "\n".join(lines)
