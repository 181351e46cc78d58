"""Privacy report: what was replaced, is found again, stands alone, or is repeated by a model."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from release.cards.render import render
from release.cards.slices import metadata_rows
from release.errors import ReleaseError
from release.gates.child import run_child
from release.personal_data import find_personal_data

COLUMNS = ["id", "title", "asr", "channel", "brand", "comments", "intro", "turns"]
PERSON = re.compile(r"[A-Z][a-zà-ÿ][\w'-]*(?: [A-Z]\.)?(?: [A-Z][a-zà-ÿ][\w'-]*){1,2}")
FIRM = re.compile(
    r"\b(?:tv|tube|channel|official|news|media|studios?|films?|music|records?|games?|gaming|sports?|"
    r"foods?|kitchen|bicycles?|cars?|auto|motors?|labs?|tech|academy|school|university|museum|"
    r"company|group|inc|ltd|gmbh|brand|shop|store|club|show|network|entertainment|travel|world|"
    r"outdoors?|design|fashion|beauty|health|fitness|coffee|toys?|pictures|productions?|animation)\b",
    re.IGNORECASE,
)
SAMPLES = 24  # comments that the regurgitation test asks for, per split
NOT_RUN = "No model was tested for repeating them."


def privacy_report(
    release: Path,
    facts: Mapping[str, Any],
    canaries: Sequence[str] = (),
    model: Path | None = None,
) -> dict[str, Any]:
    """Counts of one release folder; nothing in them names a person or holds a text.

    `facts` are what the build's manifest tells of the release (`replaced`, `tier`).

    Raises: ReleaseError where the folder holds no metadata to count.
    """
    after, found, channels, words = Counter[str](), 0, Counter[str](), Counter[str]()
    samples = 0
    for row in metadata_rows(release, COLUMNS):
        samples += 1
        text = "\n".join(texts_of(row))
        after.update(find_personal_data(text))
        found += sum(canary in text for canary in canaries)
        if row.get("channel"):
            channels[row["channel"]] += 1
        words.update(_words(row))
    if not samples:
        raise ReleaseError(f"{release} holds no metadata/*.parquet; expected a release folder")
    before = dict(facts.get("replaced") or {})
    return {
        "samples": samples,
        "tier": facts.get("tier"),
        "classes": sorted({*before, *after, "email", "phone", "handle", "ip", "card"}),
        "before": before,
        "after": dict(sorted(after.items())),
        "canaries": {"planted": len(canaries), "found": found},
        "rare": {"channels": _rarity(channels), "words": _rarity(words)},
        "person_channels": sum(is_person(name) for name in channels),
        "regurgitation": regurgitation(release, model) if model else None,
    }


def texts_of(row: Mapping[str, Any]) -> Iterable[str]:
    """Every text of a sample that a person may stand in."""
    yield from (str(row[name]) for name in ("title", "asr", "intro") if row.get(name))
    yield from (comment["text"] for comment in row.get("comments") or [] if comment["text"])


def _words(row: Mapping[str, Any]) -> set[str]:
    texts = " ".join(c["text"] or "" for c in row.get("comments") or [])
    return set(re.findall(r"[^\W\d_]{4,}", texts.lower()))


def _rarity(found: Counter[str]) -> dict[str, int]:
    """How many values there are, and how many identify one sample or fewer than five."""
    return {
        "all": len(found),
        "once": sum(n == 1 for n in found.values()),
        "under_five": sum(n < 5 for n in found.values()),
    }


def is_person(name: str) -> bool:
    """Whether a channel's name has the form of a person's."""
    return bool(PERSON.fullmatch(name.strip())) and not FIRM.search(name)


def regurgitation(release: Path, model: Path) -> dict[str, Any]:
    """Share of comments whose second half a model writes when shown the first, per split.

    A model that knows training comments by heart completes more of `train` than of `test`.
    Raises: ReleaseError when the model cannot be asked.
    """
    halves: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((release / "metadata").glob("*.parquet")):
        split = path.name.partition("-")[0]
        for row in metadata_rows_of(path):
            halves.setdefault(split, []).extend(_halves(row))
    asked = {split: found[:SAMPLES] for split, found in halves.items() if found}
    if not asked:
        return {"splits": {}, "note": "no comment of eight words or more"}
    result = run_child("complete_text.py", {"model": str(model), "asked": asked}, 1800)
    if "error" in result:
        raise ReleaseError(f"{model} could not be asked to complete comments: {result['error']}")
    return {"splits": result["splits"], "words": 4}


def metadata_rows_of(path: Path) -> list[dict[str, Any]]:
    """Rows of one metadata file."""
    import pyarrow.parquet as pq

    return list(pq.read_table(path, columns=["comments", "title"]).to_pylist())


def _halves(row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for comment in row["comments"] or []:
        words = (comment["text"] or "").split()
        if len(words) >= 8:
            yield " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])


def privacy_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown, for a card or a screen."""
    return render(
        "privacy.md.jinja", {**report, "regurgitation": regurgitation_text(report["regurgitation"])}
    )


def regurgitation_text(found: Mapping[str, Any] | None) -> str:
    """The regurgitation test in a sentence."""
    if not found or not found.get("splits"):
        return NOT_RUN if not found else f"The regurgitation test had {found['note']}."
    parts = [
        f"{share['completed']} of {share['asked']} comments of `{split}`"
        for split, share in found["splits"].items()
    ]
    return (
        "Shown the first half of a comment, the model wrote its next four words for "
        + ", ".join(parts)
        + "."
    )
