"""The funnel: what each step of the paper left, ours beside the paper's, table, JSON, picture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_builder.funnel import labels
from dataset_builder.funnel.titles import title_of
from dataset_builder.ledger import ledger
from dataset_builder.rules.order import STEPS, Step
from dataset_builder.work.whole_files import write_text

MEDIA_TYPES = ("image", "video")  # the order of the paper's counts in a step
# sec. 2.1; YouTube's is 3.1 comments per video times 250 k videos, our product
PAPER_COMMENTS = {("reddit", "image"): 1_500_000, ("reddit", "video"): 312_000}
PAPER_COMMENTS[("youtube", "video")] = 775_000


def funnel(root: Path, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Headline, steps per source and media type, comments per reason, totals per kind,
    and what the labels are worth.

    `settings` as the manifest records them, whose words the steps are told in; None: those of the
    build's release.
    """
    rows = ledger.counts(root)
    used, totals = _settings(root) if settings is None else settings, _totals(rows)
    return {
        "headline": _headline(totals),
        "steps": _post_steps([row for row in rows if row["kind"] == "post"], used),
        "comments": _comments([row for row in rows if row["kind"] == "comment"]),
        "totals": totals,
        "labels": labels.labels(root),
        "early_hours": labels.hours_of(used),
    }


def _settings(root: Path) -> Mapping[str, Any]:
    """The settings of a build's release; none where there is no whole release."""
    try:
        return dict(json.loads((root / "release" / "manifest.json").read_bytes())["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _post_steps(rows: list[dict[str, Any]], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
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
                    "step": title_of(source, step, settings),
                    "paper_step": step.title,
                    "in": entered,
                    "out": left,
                    "dropped": dict(sorted(reasons.items())),
                    "paper": step.paper[MEDIA_TYPES.index(media)],
                }
            )
    return table


def _owner(steps: tuple[Step, ...], reason: str) -> Step:
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


def totals_of(root: Path) -> dict[str, dict[str, int]]:
    """Per kind of item: read, kept, dropped."""
    return _totals(ledger.counts(root))


def _totals(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = totals.setdefault(row["kind"], {"in": 0, "kept": 0, "dropped": 0})
        kind["in"] += row["items"]
        kind["kept" if row["kept"] else "dropped"] += row["items"]
    return totals


def _headline(totals: Mapping[str, Mapping[str, int]]) -> str:
    """How much of everything read was kept."""
    said = [
        f"{total['kept']:,} of {total['in']:,} {kind}s"
        for kind in ("post", "comment")
        if (total := totals.get(kind))
    ]
    return f"{', '.join(said) or 'no posts'} kept"


def write_funnel(root: Path, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write funnel.json and funnel.png; returns the funnel. `settings` as of `funnel`."""
    from dataset_builder.funnel.picture import draw

    found = funnel(root, settings)
    write_text(root / "funnel.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    draw(found, root / "funnel.png")
    return found


def format_table(found: Mapping[str, Any]) -> str:
    """The funnel as aligned text."""
    lines = [f"{'source':8} {'media':6} {'step':45} {'ours':>12} {'paper':>12}  dropped"]
    for row in found["steps"]:
        paper = f"{row['paper']:,}" if row["paper"] is not None else "-"
        why = ", ".join(f"{reason} {count:,}" for reason, count in row["dropped"].items())
        lines.append(
            f"{row['source']:8} {row['media_type']:6} {row['step']:45} {row['out']:>12,} "
            f"{paper:>12}  {why}"
        )
    for row in found["comments"]:
        paper = f"{row['paper']:,}" if row["paper"] is not None else "-"
        why = ", ".join(f"{reason} {count:,}" for reason, count in row["dropped"].items())
        name = f"comments kept of {row['in']:,}"
        lines.append(
            f"{row['source']:8} {row['media_type']:6} {name:45} {row['kept']:>12,} "
            f"{paper:>12}  {why}"
        )
    lines += labels.sentences(found["labels"], found["early_hours"])
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
