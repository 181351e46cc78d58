"""The data card: front matter that loaders rely on, and a datasheet of what this build counted."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.cards.field_meanings import MEANINGS, UNKNOWN
from release.cards.front_matter import join_card, split_card
from release.cards.privacy import privacy_report, privacy_text
from release.cards.render import render
from release.cards.slices import Survey, metadata_rows, survey
from release.manifest import Entry, Manifest

COLLATE = Path(__file__).resolve().parents[1] / "isolated" / "collate.py"
LICENSE_NAME = "blift-terms"
ANSWER_DAYS = 14
TIERS = {
    "full": "media and comments are inside; access is gated",
    "metadata": "posts and comments without media; the `url` fields say where the media are",
    "ids": "ids, addresses, counts and derived annotations: no media, none of the users' words",
}
BIBTEX = """@article{singh2024llava,
  title   = {LLaVA Finds Free Lunch: Teaching Human Behavior Improves Content
             Understanding Abilities Of LLMs},
  author  = {Singh, Somesh and S I, Harini and Singla, Yaman K and Baths, Veeky and
             Shah, Rajiv Ratn and Chen, Changyou and Krishnamurthy, Balaji},
  journal = {arXiv preprint arXiv:2405.00942},
  year    = {2024}
}"""
GATE_PROMPT = (
    "The data hold public posts, comments and media of people who were not asked. To use them you "
    "agree to the terms in LICENSE, to move to the newest version whenever one appears, so that "
    "withdrawn items leave your copy, and not to identify anyone."
)
GATE_FIELDS: dict[str, Any] = {
    "Purpose": {"type": "select", "options": ["Research", "Education", "Evaluation", "Other"]},
    "I will move to the newest version when one appears": "checkbox",
    "I will not try to identify anyone": "checkbox",
}
SETTINGS_SHOWN = ("reddit", "youtube", "comments", "media", "splits", "privacy", "rules")
LONGEST = 240


@dataclass(frozen=True)
class DatasetFacts:
    """What one data card is made of."""

    folder: Path  # the staged folder, its shards and metadata in place
    build: Manifest
    entries: Sequence[Entry]  # files staged so far
    configs: Sequence[Mapping[str, Any]]  # name, splits: {split: [patterns]}, paths: {split: [...]}
    repository: str
    version: str
    contact: str
    changelog: str
    funnel: Mapping[str, Any] | None
    canaries: Sequence[str]
    sheet: bool


def dataset_card(facts: DatasetFacts) -> tuple[str, dict[str, Any]]:
    """(README.md, privacy report) of a data set."""
    report = privacy_report(facts.folder, facts.build.facts["release"], facts.canaries)
    counted = survey(metadata_rows(facts.folder))
    body = render("dataset.md.jinja", _values(facts, counted, privacy_text(report)))
    return join_card(front_matter(facts, counted.total), body), report


def front_matter(facts: DatasetFacts, samples: int) -> dict[str, Any]:
    """The YAML block; features are those the build declared."""
    built, _ = split_card((facts.folder / "README.md").read_text("utf-8"))
    tier = facts.build.facts["release"]["tier"]
    sources = sorted({c["name"] for c in facts.configs} - {"default", "metadata"})
    block: dict[str, Any] = {
        "pretty_name": built.get("pretty_name", "BLIFT"),
        "language": built.get("language") or ["en"],
        "license": "other",
        "license_name": LICENSE_NAME,
        "license_link": "LICENSE",
        "annotations_creators": ["machine-generated", "found"],
        "language_creators": ["found"],
        "source_datasets": ["original"],
        "multilinguality": ["monolingual"],
        "size_categories": [size_category(samples)],
        "task_categories": ["image-text-to-text", "video-text-to-text"],
        "tags": [
            "webdataset",
            "croissant",
            "arxiv:2405.00942",
            "behavior",
            "comments",
            "instruction-tuning",
            *sources,
        ],
        "configs": [_config(config) for config in facts.configs],
        "dataset_info": [
            {
                "config_name": c["name"],
                "description": f"Merkle root {facts.build.root}, version {facts.version}",
                "features": c["features"],
            }
            for c in facts.configs
        ],
    }
    if tier == "full":
        block |= {
            "extra_gated_heading": "Whoever reads this agrees to let withdrawn items go",
            "extra_gated_prompt": GATE_PROMPT,
            "extra_gated_fields": GATE_FIELDS,
        }
    return block


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    default = {"default": True} if config["name"] == "default" else {}
    files = [{"split": split, "path": path if len(path) > 1 else path[0]}
             for split, path in config["patterns"].items()]  # fmt: skip
    return {"config_name": config["name"], **default, "data_files": files}


def size_category(samples: int) -> str:
    """The Hub's own name for a number of samples."""
    edges = (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
    )
    return next((name for edge, name in edges if samples < edge), "1M<n<10M")


def _values(facts: DatasetFacts, counted: Survey, privacy: str) -> dict[str, Any]:
    told = facts.build.facts["release"]
    default = next(c for c in facts.configs if c["name"] == "default")
    first_split = next(iter(default["paths"]))
    return {
        "notice": facts.build.facts["settings"].get("shards", {}).get("notice"),
        "version": facts.version,
        "tier": told["tier"],
        "tier_text": TIERS[told["tier"]],
        "total": counted.total,
        "images": told["images"],
        "videos": told["videos"],
        "comments": told["comments"],
        "build_root": facts.build.root,
        "sheet": facts.sheet,
        "repository": facts.repository,
        "configs": [c["name"] for c in facts.configs],
        "collate": _collate(),
        "first_split": first_split,
        "first_shard": default["paths"][first_split][0],
        "counts": _counts(facts),
        "sources": sorted(counted.sources),
        "slices": counted.slices,
        "example": counted.example,
        "example_json": _shown(counted.example),
        "fields": _fields(counted, facts),
        "preset": facts.build.facts["settings"].get("preset"),
        "funnel": facts.funnel["steps"] if facts.funnel else None,
        "settings": _settings(facts.build.facts["settings"]),
        "inputs": facts.build.facts["inputs"],
        "annotators": told["annotators"],
        "absent": told["absent"],
        "privacy": privacy,
        "contact": facts.contact,
        "answer_days": ANSWER_DAYS,
        "changelog": facts.changelog,
        "license_name": LICENSE_NAME,
        "bibtex": BIBTEX,
    }


def _collate() -> str:
    """The function as it is tested, without the file's own docstring."""
    text = COLLATE.read_text("utf-8")
    return text[text.index("def collate") :].strip()


def _counts(facts: DatasetFacts) -> list[dict[str, Any]]:
    entries = {entry.path: entry for entry in facts.entries}
    return [
        {
            "config": config["name"],
            "split": split,
            "samples": sum(entries[path].samples for path in paths),
            "shards": len(paths),
            "bytes": sum(entries[path].bytes for path in paths),
        }
        for config in facts.configs
        for split, paths in config["paths"].items()
    ]


def _shown(row: Mapping[str, Any]) -> str:
    """A sample as JSON whose texts are cut for show and cannot leave the code block."""

    def shorten(value: Any) -> Any:
        if isinstance(value, str):
            plain = "".join(c if c.isprintable() else " " for c in value).replace("```", "'''")
            return plain if len(plain) <= LONGEST else plain[:LONGEST] + " [cut for this page]"
        if isinstance(value, list):
            return [shorten(inner) for inner in value[:3]]
        if isinstance(value, dict):
            return {name: shorten(inner) for name, inner in value.items()}
        return value

    kept = {name: value for name, value in row.items() if name in MEANINGS}
    text = json.dumps(shorten(kept), indent=1, ensure_ascii=False)
    return re.sub(r"\{\{|\}\}|\{%|%\}", " ", text).replace("<", "\\u003c")


def _fields(counted: Survey, facts: DatasetFacts) -> list[dict[str, Any]]:
    """Every declared field with its type and how often it is empty in this build."""
    default = next(c for c in facts.configs if c["name"] == "default")
    declared = next(f for f in default["features"] if f["name"] == "json")["struct"]
    return [
        {
            "name": field["name"],
            "type": field.get("dtype") or ("list" if "list" in field else "struct"),
            "nulls": counted.empty[field["name"]],
            "meaning": MEANINGS.get(field["name"], UNKNOWN),
        }
        for field in declared
    ]


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rules as they were set, one line each; word lists by their length."""
    found = []
    for section in sorted(settings):
        value = settings[section]
        if section in SETTINGS_SHOWN and isinstance(value, dict):
            for name, inner in sorted(value.items()):
                text = json.dumps(inner, ensure_ascii=False)
                long = f"{len(inner)} values" if isinstance(inner, list) else text[:LONGEST]
                found.append((f"{section}.{name}", text if len(text) <= LONGEST else long))
    return found
