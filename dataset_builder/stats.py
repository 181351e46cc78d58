"""`blift stats`: the funnel, and every reason of every stage with its count."""

from pathlib import Path
from typing import Any

from dataset_builder import ledger
from dataset_builder.funnel import format_table, funnel


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
