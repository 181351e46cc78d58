"""Small artefacts in the form of the contracts: a build's release folder, a staged model."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file

from release.manifest import Entry, write_manifest

LIST = {"comments": [{"text": "string", "likes": "int64"}], "scenes": [{"caption": "string"}],
        "turns": [{"task": "string", "question": "string", "answer": "string"}]}  # fmt: skip
PLAIN = {
    "id": "string", "source": "string", "media_type": "string", "url": "string",
    "permalink": "string", "title": "string", "channel": "string", "brand": "string",
    "created": "string", "duration": "float64", "width": "int64", "height": "int64",
    "likes": "int64", "views": "int64", "score": "int64", "percent_liked": "float64",
    "asr": "string", "media_sha256": "string", "intro": "string",
}  # fmt: skip
CHECKS = {"comment_ids": "list", "media_phash": "list", "language": "string", "shard": "string"}
ARROW = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}


def picture(seed: int) -> bytes:
    """A small JPEG, another one for each seed."""
    found = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(found, "JPEG")
    return found.getvalue()


def sample(number: int, source: str, tier: str) -> dict[str, Any]:
    """One json member with every declared field."""
    words = tier != "ids"
    found: dict[str, Any] = dict.fromkeys((*PLAIN, *LIST))
    return found | {
        "id": f"{source}-s{number:05d}",
        "source": source,
        "media_type": "image",
        "url": f"https://example.org/{source}/{number}.jpg",
        "permalink": f"https://example.org/post/{number}",
        "title": f"A picture of thing number {number}" if words else None,
        "channel": "Maria Lopez" if source == "youtube" and words else None,
        "created": f"20{18 + number % 5}-05-01T00:00:00Z",
        "width": 16,
        "height": 16,
        "views": 10_000 * (number + 1) if source == "youtube" else None,
        "score": number if source == "reddit" else None,
        "media_sha256": hashlib.sha256(picture(number)).hexdigest(),
        "comments": [
            {
                "text": f"I like number {number} best of all the things here" if words else None,
                "likes": 3,
            }
        ],
        "scenes": [{"caption": "a thing"}],
        "turns": [{"task": "scenes", "question": "What?", "answer": "A thing."}],
        "intro": "",
    }


def features(media: bool) -> list[dict[str, Any]]:
    """Declared features as `blift build` writes them."""
    struct: list[dict[str, Any]] = [{"name": n, "dtype": d} for n, d in PLAIN.items()]
    struct += [
        {"name": n, "list": [{"name": k, "dtype": d} for k, d in f[0].items()]}
        for n, f in LIST.items()
    ]
    columns: list[dict[str, Any]] = [
        {"name": "__key__", "dtype": "string"},
        {"name": "__url__", "dtype": "string"},
    ]
    columns += [{"name": "jpg", "dtype": "image"}] if media else []
    return [*columns, {"name": "json", "struct": struct}]


def make_build(
    folder: Path,
    samples: int = 6,
    shards: int = 1,
    tier: str = "full",
    sources: tuple[str, ...] = ("reddit", "youtube"),
    first: int = 0,
) -> Path:
    """A release folder as a build leaves it."""
    import yaml

    release = folder / "release"
    (release / "data").mkdir(parents=True)
    (release / "metadata").mkdir()
    files: list[Entry] = []
    counted: dict[str, dict[str, int]] = {}
    for split, share in (("train", shards), ("test", 1)):
        for shard in range(share):
            rows = [
                sample(
                    first + shard * samples + n + (50_000 if split == "test" else 0),
                    sources[n % len(sources)],
                    tier,
                )
                for n in range(samples)
            ]
            for row in rows:
                split_counts = counted.setdefault(split, {})
                split_counts[row["source"]] = split_counts.get(row["source"], 0) + 1
            files += write_shard(release, f"{split}-{shard:05d}", rows, tier == "full")
    block = {
        "pretty_name": "BLIFT", "language": ["en"], "license": "other", "tags": ["webdataset"],
        "configs": [{"config_name": "default", "default": True, "data_files": [
            {"split": s, "path": f"data/{s}-*.tar"} for s in counted]}],
        "dataset_info": {"config_name": "default", "features": features(tier == "full")},
    }  # fmt: skip
    card = f"---\n{yaml.safe_dump(block, sort_keys=False)}---\n\n# BLIFT\n"
    (release / "README.md").write_text(card)
    files.append(entry_of(release, "README.md", 0))
    total = sum(sum(c.values()) for c in counted.values())
    facts = {
        "inputs": [{"role": "youtube", "name": "youtube.jsonl.gz", "bytes": 3, "sha256": "0" * 64}],
        "settings": {
            "preset": "seed",
            "shards": {"notice": "Made up for a test."},
            "reddit": {"min_words": 3},
        },
        "code": {"package": "blift", "version": "0.1.0", "sha256": "1" * 64},
        "release": {
            "tier": tier,
            "annotators": [],
            "absent": {"asr": "switched off"},
            "images": total,
            "videos": 0,
            "comments": total,
            "sources": counted,
            "replaced": {"email": 2},
        },
    }
    write_manifest(release, files, facts)
    (folder / "funnel.json").write_text(
        json.dumps(
            {
                "steps": [
                    {
                        "source": "reddit",
                        "media_type": "image",
                        "step": "read",
                        "in": 9,
                        "out": 6,
                        "dropped": {},
                        "paper": 400000,
                    }
                ]
            }
        )
    )
    return release


def entry_of(folder: Path, path: str, samples: int) -> Entry:
    """A manifest entry of a file."""
    data = (folder / path).read_bytes()
    return Entry(path, len(data), hashlib.sha256(data).hexdigest(), samples)


def write_shard(release: Path, name: str, rows: list[dict[str, Any]], media: bool) -> list[Entry]:
    """A tar and its metadata."""
    with tarfile.open(release / f"data/{name}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for row in rows:
            members = {"json": json.dumps(row).encode()}
            if media:
                members["jpg"] = picture(int(row["id"][-5:]))
            for field, data in members.items():
                info = tarfile.TarInfo(f"{row['id']}.{field}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    fields = [(n, ARROW[d]) for n, d in PLAIN.items()]
    fields += [
        (n, pa.list_(pa.struct([(k, ARROW[d]) for k, d in f[0].items()]))) for n, f in LIST.items()
    ]
    fields += [("comment_ids", pa.list_(pa.string())), ("media_phash", pa.list_(pa.string())),
               ("language", pa.string()), ("shard", pa.string())]  # fmt: skip
    full = [
        row
        | {
            "comment_ids": [f"c{row['id'][-5:]}"],
            "media_phash": [],
            "language": "en",
            "shard": f"data/{name}.tar",
        }
        for row in rows
    ]
    pq.write_table(
        pa.Table.from_pylist(full, schema=pa.schema(fields)), release / f"metadata/{name}.parquet"
    )
    return [
        entry_of(release, f"data/{name}.tar", len(rows)),
        entry_of(release, f"metadata/{name}.parquet", len(rows)),
    ]


CONFIGURATION = """from transformers import PretrainedConfig


class ToyConfig(PretrainedConfig):
    model_type = "toy"
"""
MODELING = """import torch
from transformers import PreTrainedModel

from .configuration_toy import ToyConfig


class ToyModel(PreTrainedModel):
    config_class = ToyConfig
"""
PROCESSING = """from transformers import ProcessorMixin


class ToyProcessor(ProcessorMixin):
    attributes = []
"""
AUTO_MAP = {
    "AutoConfig": "configuration_toy.ToyConfig",
    "AutoModel": "modeling_toy.ToyModel",
    "AutoModelForImageTextToText": "modeling_toy.ToyModel",
    "AutoProcessor": "processing_toy.ToyProcessor",
}
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
RUN = "7697c115f64549f481418835e0d0f0ac"
CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
language: [en]
datasets: [behavior-llava/blift]
tags: [video, custom_code]
---

# Toy

## Results

| task | metric | before | this model | run |
|---|---|---|---|---|
| blift v1 | mae | not measured | 0.25 | `7697c115f645` |
"""


def make_staged_model(folder: Path) -> Path:
    """A staged model folder that every gate lets through, with code of its own."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    save_file(
        {"w": rng.normal(size=(4, 4)).astype("float32")},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    texts = {
        "config.json": json.dumps({"model_type": "toy", "auto_map": AUTO_MAP}),
        "configuration_toy.py": CONFIGURATION,
        "modeling_toy.py": MODELING,
        "processing_toy.py": PROCESSING,
        "chat_template.jinja": TEMPLATE,
        "requirements.txt": "torch>=2.13\ntransformers>=5.23,<6\n",
        "training_manifest.json": json.dumps(
            {"dataset_revision": "7ce1" * 16, "base_model": "org/base", "code_commit": "ab" * 20}
        ),
        "results.json": json.dumps(
            [
                {
                    "task": "blift",
                    "version": 1,
                    "metric": "mae",
                    "n": 2,
                    "unparsed": 0,
                    "value": 0.25,
                    "interval": None,
                    "chance": None,
                    "run_id": RUN,
                    "model_revision": "sha256:0",
                }
            ]
        ),
        "LICENSE": "Apache License 2.0, the whole text of it. " * 5,
        "README.md": CARD,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    seal(folder, "model")
    return folder


def seal(folder: Path, kind: str) -> None:
    """Write the manifest of a folder anew, so that a gate other than the manifest's must object."""
    (folder / "manifest.json").unlink(missing_ok=True)
    files = [
        p.relative_to(folder).as_posix()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    ]
    entries = [entry_of(folder, path, 0) for path in files]
    write_manifest(
        folder,
        entries,
        {"kind": kind, "version": "1.0", "settings": {}, "inputs": [], "code": {}, "release": {}},
    )
