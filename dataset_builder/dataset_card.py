"""README.md of a release: front matter that `load_dataset` relies on, and counts of this build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from dataset_builder.features import shard_features
from dataset_builder.shards import SPLITS, ReleaseFile

TEMPLATE = Path(__file__).with_name("dataset_card.md")
REPOSITORY = "behavior-llava/blift"
TIER_TEXT = {
    "full": "Media and comments are inside; access should be gated.",
    "metadata": "Posts and comments without media; the `url` fields say where the media are.",
    "ids": (
        "Ids, URLs, counts and derived annotations only: no media and none of the users' words. "
        "`blift hydrate` fetches and filters the rest again."
    ),
}


@dataclass(frozen=True)
class CardFacts:
    """What one build puts into the card."""

    tier: str
    preset: str
    root: str
    annotators: Sequence[Mapping[str, str]]
    absent: Mapping[str, str]
    images: int
    videos: int
    comments: int


def render_card(files: Sequence[ReleaseFile], facts: CardFacts) -> bytes:
    """The card's bytes."""
    has_media = facts.tier == "full"
    values = {
        "front_matter": front_matter(files, has_media, facts.images + facts.videos),
        "tier": facts.tier,
        "tier_text": TIER_TEXT[facts.tier],
        "repository": REPOSITORY,
        "counts": _counts(files, facts),
        "root": facts.root,
        "members": ", `jpg` (the picture, or a video's first keyframe) and `mp4` (the video; empty "
        "for a picture)"
        if has_media
        else "",
        "annotators": _table(facts.annotators),
        "absent": _absent(facts.absent),
        "preset": facts.preset,
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values).encode()


def front_matter(files: Sequence[ReleaseFile], has_media: bool, samples: int) -> str:
    """YAML between the dashes: configs with their files, declared features, tags."""
    data_files = [
        {"split": split, "path": f"data/{split}-*.tar"}
        for split in SPLITS
        if any(f.path.startswith(f"data/{split}-") for f in files)
    ]
    block: dict[str, Any] = {
        "pretty_name": "BLIFT",
        "language": ["en"],
        "license": "other",
        "task_categories": ["image-text-to-text", "video-text-to-text"],
        "tags": ["webdataset", "behavior", "comments", "instruction-tuning"],
        "size_categories": [_size_category(samples)],
    }
    if data_files:  # a build that kept nothing has nothing to load
        config = {"config_name": "default", "default": True, "data_files": data_files}
        features = shard_features(has_media)._to_yaml_list()
        block["configs"] = [config]
        block["dataset_info"] = {"config_name": "default", "features": features}
    return yaml.safe_dump(block, sort_keys=False, allow_unicode=False)


def _size_category(samples: int) -> str:
    """The Hub's own name for a number of samples."""
    edges = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for edge, name in edges if samples < edge), "100K<n<1M")


def _counts(files: Sequence[ReleaseFile], facts: CardFacts) -> str:
    lines = ["| split | samples | shards | bytes |", "|---|---|---|---|"]
    for split in SPLITS:
        tars = [f for f in files if f.path.startswith(f"data/{split}-")]
        if tars:
            samples, size = sum(f.samples for f in tars), sum(f.bytes for f in tars)
            lines.append(f"| {split} | {samples:,} | {len(tars)} | {size:,} |")
    lines.append("")
    lines.append(
        f"{facts.images:,} pictures, {facts.videos:,} videos, {facts.comments:,} comments."
    )
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "No annotator ran: `scenes` are empty and their turn is left out."
    lines = ["| field | made by | version |", "|---|---|---|"]
    lines += [f"| `{row['field']}` | {row['name']} | {row['version']} |" for row in rows]
    return "\n".join(lines)


def _absent(absent: Mapping[str, str]) -> str:
    if not absent:
        return ""
    lines = [f"- `{kind}`: {reason}" for kind, reason in sorted(absent.items())]
    return "Not run, their fields null or empty and their sentences left out:\n\n" + "\n".join(
        lines
    )
