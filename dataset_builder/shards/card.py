"""README.md of a release: front matter that `load_dataset` relies on, and counts of this build."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from dataset_builder.errors import UsageError
from dataset_builder.funnel.labels import sentences
from dataset_builder.samples.fields import shard_features
from dataset_builder.settings import load_settings
from dataset_builder.shards.manifest import FUNNEL, ReleaseFile
from dataset_builder.shards.writer import DEFAULT_CONFIG, SPLITS, config_of

TEMPLATE = Path(__file__).with_name("dataset_card.md")
REPOSITORY = "behavior-llava/blift"
FUNNEL_TEXT = """\
{kept}. Every input post, comment and file is counted in the build's ledger with
the one rule that removed it.

![What each step left of the posts and comments, beside the paper's counts]({picture})

"""
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
    """What one build puts into card and manifest; counts are those of the default config."""

    tier: str
    annotators: Sequence[Mapping[str, str]]
    absent: Mapping[str, str]
    images: int
    videos: int
    comments: int
    sources: Mapping[str, Mapping[str, int]]  # split -> source -> samples
    replaced: Mapping[str, int]  # personal data in texts, by class


def render_card(
    files: Sequence[ReleaseFile],
    facts: CardFacts,
    settings: Mapping[str, Any],
    root: str,
    found: Mapping[str, Any] | None,
) -> bytes:
    """The card's bytes; `settings` are the manifest's.

    `found` is the build's funnel (None: nothing was counted, and no funnel is there).
    """
    worth = sentences(found["labels"], found["early_hours"]) if found else []
    has_media = facts.tier == "full"
    notice = settings["shards"].get("notice")
    values = {
        "notice": f"> **{notice}**\n\n" if notice else "",
        "front_matter": front_matter(files, has_media, facts.images + facts.videos, root),
        "tier": facts.tier,
        "tier_text": TIER_TEXT[facts.tier],
        "repository": REPOSITORY,
        "counts": _counts(files, facts),
        "root": root,
        "members": ", `jpg` (the picture, or a video's first keyframe) and `mp4` (the video; empty "
        "for a picture)"
        if has_media
        else "",
        "annotators": _table(facts.annotators),
        "absent": _absent(facts.absent),
        "replaced": _replaced(facts.replaced),
        "labels": "\n".join(f"- {line}" for line in worth or ["none were counted"]),
        "preset": settings["preset"],
        "changed": _changed(settings),
        "funnel": FUNNEL_TEXT.format(kept=found["headline"], picture=FUNNEL) if found else "",
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values).encode()


def front_matter(files: Sequence[ReleaseFile], has_media: bool, samples: int, root: str) -> str:
    """YAML between the dashes: configs with their files, declared features, tags.

    `datasets` names its cache of a local folder after this block alone: without the root in it, a
    rebuilt folder would silently give the rows of the build before.
    """
    block: dict[str, Any] = {
        "pretty_name": "BLIFT",
        "language": ["en"],
        "license": "other",
        "task_categories": ["image-text-to-text", "video-text-to-text"],
        "tags": ["webdataset", "behavior", "comments", "instruction-tuning"],
        "size_categories": [_size_category(samples)],
    }
    configs = _configs(files)
    if configs:  # a build that kept nothing has nothing to load
        features = shard_features(has_media)._to_yaml_list()
        media_features = shard_features(True)._to_yaml_list()
        block["configs"] = configs
        infos = [
            {
                "config_name": config["config_name"],
                "description": f"Merkle root {root}",
                # pictures of eye tracking are always inside, whatever the tier of the posts
                "features": features if config.get("default") else media_features,
            }
            for config in configs
        ]
        block["dataset_info"] = infos[0] if len(infos) == 1 else infos
    return yaml.safe_dump(block, sort_keys=False, allow_unicode=False)


def _configs(files: Sequence[ReleaseFile]) -> list[dict[str, Any]]:
    """Configs with the files of each split; one format for all, as `load_dataset` wants."""
    tars = [file.path for file in files if file.path.endswith(".tar")]
    found = []
    for name in sorted({config_of(path) for path in tars}, key=lambda n: (n != DEFAULT_CONFIG, n)):
        inside = "data/" if name == DEFAULT_CONFIG else f"data/{name}/"
        data_files = [
            {"split": split, "path": f"{inside}{split}-*.tar"}
            for split in SPLITS
            if any(path.startswith(f"{inside}{split}-") for path in tars)
        ]
        default = {"default": True} if name == DEFAULT_CONFIG else {}
        found.append({"config_name": name, **default, "data_files": data_files})
    return found


def _size_category(samples: int) -> str:
    """The Hub's own name for a number of samples."""
    edges = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for edge, name in edges if samples < edge), "100K<n<1M")


def _counts(files: Sequence[ReleaseFile], facts: CardFacts) -> str:
    lines = ["| config | split | samples | shards | bytes |", "|---|---|---|---|---|"]
    tars: dict[tuple[str, str], list[ReleaseFile]] = {}
    for file in files:
        if file.path.endswith(".tar"):
            split = file.path.rsplit("/", 1)[1].rsplit("-", 1)[0]
            tars.setdefault((config_of(file.path), split), []).append(file)
    for config, split in sorted(tars):
        found = tars[config, split]
        samples, size = sum(f.samples for f in found), sum(f.bytes for f in found)
        lines.append(f"| {config} | {split} | {samples:,} | {len(found)} | {size:,} |")
    posts = f"{facts.images:,} pictures, {facts.videos:,} videos, {facts.comments:,} comments"
    lines += ["", f"Posts: {posts}."]
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "No annotator ran: `scenes` are empty and their turn is left out."
    lines = ["| field | made by | version |", "|---|---|---|"]
    lines += [f"| `{row['field']}` | {row['name']} | {row['version']} |" for row in rows]
    return "\n".join(lines)


def _replaced(counts: Mapping[str, int]) -> str:
    if not counts:
        return "No personal data was found in the texts, or none was looked for."
    found = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f"Replaced by placeholders in the texts that reached this stage: {found}."


def _changed(settings: Mapping[str, Any]) -> str:
    """The settings that are not the preset's own; a sentence where all are."""
    try:
        preset = load_settings(settings["preset"], []).as_dict()
    except UsageError:
        return "This version of the builder does not know that preset; see `manifest.json`."
    lines = [
        f"| `{section}.{name}` | {_value(value)} | {_value(preset[section].get(name))} |"
        for section, values in settings.items()
        if isinstance(values, Mapping) and section in preset
        for name, value in values.items()
        if value != preset[section].get(name) and (section, name) != ("shards", "notice")
    ]
    if not lines:
        return "Nothing in it was changed."
    head = ["Changed for this build:", "", "| setting | here | preset |", "|---|---|---|"]
    return "\n".join([*head, *lines])


def _value(value: Any) -> str:
    """A setting's value as it is written in YAML's short form, safe inside a table."""
    text = json.dumps(value, ensure_ascii=False).replace("`", "'").replace("|", "\\|")
    return f"`{text}`"


def _absent(absent: Mapping[str, str]) -> str:
    if not absent:
        return ""
    lines = [f"- `{kind}`: {reason}" for kind, reason in sorted(absent.items())]
    return "Not run, their fields null or empty and their sentences left out:\n\n" + "\n".join(
        lines
    )
