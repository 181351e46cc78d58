"""Front matter of cards: read strictly, written in one form, checked offline by our own schema.

The client and the Hub let more pass than a reader can use (a key twice, `license: other` without a
name, `datasets: [null]`); what is checked here is what the Hub's pages and loaders rely on.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

BLOCK = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*\r?\n", re.DOTALL)
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}\Z")
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")
LICENSES = (
    *("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "other"),
    *("bsd-3-clause", "openrail", "llama2", "llama3", "gpl-3.0", "odc-by", "unknown"),
)
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
TASKS = ("image-text-to-text", "video-text-to-text", "visual-question-answering", "text-generation")
NEEDED: dict[str, tuple[tuple[str, type], ...]] = {
    "dataset": (
        *(("pretty_name", str), ("language", list), ("license", str), ("task_categories", list)),
        *(("tags", list), ("size_categories", list), ("configs", list)),
        *(("annotations_creators", list), ("language_creators", list), ("source_datasets", list)),
        ("multilinguality", list),
    ),
    "model": (
        *(("license", str), ("library_name", str), ("pipeline_tag", str), ("tags", list)),
        *(("datasets", list), ("language", list)),
    ),
    "space": (
        *(("title", str), ("sdk", str), ("sdk_version", str), ("app_file", str), ("license", str)),
        *(("colorFrom", str), ("colorTo", str), ("emoji", str), ("models", list)),
    ),
}


class _Strict(yaml.SafeLoader):
    """YAML in which a key stands once."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    double = next((key for at, key in enumerate(keys) if key in keys[:at]), None)
    if double is not None:
        raise yaml.constructor.ConstructorError(None, None, f"key {double!r} stands twice",
                                                node.start_mark)  # fmt: skip
    return loader.construct_mapping(node, deep=True)


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """(front matter, body) of a card. Raises ValueError, which says what is wrong with it."""
    found = BLOCK.match(text)
    if not found:
        raise ValueError("no front matter between two lines of dashes")
    try:
        block = yaml.load(found[1], Loader=_Strict)  # a SafeLoader that refuses double keys
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(block, dict):
        raise ValueError("front matter is no mapping")
    return block, text[found.end() :]


def join_card(block: Mapping[str, Any], body: str) -> str:
    """A card from front matter and body."""
    text = yaml.safe_dump(dict(block), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n\n{body.strip()}\n"


def front_matter_problems(kind: str, block: Mapping[str, Any]) -> Iterator[str]:
    """What the schema of this kind of repository finds wrong."""
    for name, form in NEEDED[kind]:
        value = block.get(name)
        if not isinstance(value, form) or not value:
            yield f"{name} is {value!r}, expected a non-empty {form.__name__}"
    yield from _licence(block)
    for name in ("datasets", "models", "base_model"):
        for value in _listed(block.get(name)):
            if not isinstance(value, str) or not HUB_ID.match(value):
                yield f"{name} names {value!r}, which is no Hub id"
    for value in _listed(block.get("tags")):
        if not isinstance(value, str):
            yield f"tags holds {value!r}, which is no text"
    yield from {"dataset": _dataset, "model": _model, "space": _space}[kind](block)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _licence(block: Mapping[str, Any]) -> Iterator[str]:
    licence = block.get("license")
    if licence not in LICENSES:
        yield f"license is {licence!r}, expected one of {', '.join(LICENSES)}"
    if licence == "other" and not (block.get("license_name") and block.get("license_link")):
        yield "license is other, so license_name and license_link must be given"


def _dataset(block: Mapping[str, Any]) -> Iterator[str]:
    for size in _listed(block.get("size_categories")):
        if size not in SIZES:
            yield f"size_categories holds {size!r}, expected one of {', '.join(SIZES)}"
    for task in _listed(block.get("task_categories")):
        if task not in TASKS:
            yield f"task_categories holds {task!r}, expected one of {', '.join(TASKS)}"
    infos = block.get("dataset_info")
    declared = {i.get("config_name", "default"): i for i in _listed(infos) if isinstance(i, dict)}
    defaults = 0
    for config in _listed(block.get("configs")):
        name = config.get("config_name") if isinstance(config, dict) else None
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
            yield f"a config is named {name!r}"
            continue
        defaults += bool(config.get("default"))
        if not config.get("data_files"):
            yield f"config {name} names no data_files"
        if not (declared.get(name) or {}).get("features"):
            yield f"config {name} declares no features: loaders would guess them from five rows"
        if "splits" in (declared.get(name) or {}):
            yield f"config {name} declares splits: a wrong count stops loading"
    if defaults != 1:
        yield f"{defaults} configs are the default, expected one"


def _model(block: Mapping[str, Any]) -> Iterator[str]:
    for index in _listed(block.get("model-index")):
        for result in index.get("results", []) if isinstance(index, dict) else []:
            for metric in result.get("metrics", []):
                if metric.get("verified"):
                    yield "model-index says verified, which means run by the Hub"
                if not isinstance(metric.get("value"), int | float):
                    yield f"model-index holds the value {metric.get('value')!r}"
                if not (metric.get("args") or {}).get("run_id"):
                    yield f"model-index: {metric.get('name')} has no run id"


def _space(block: Mapping[str, Any]) -> Iterator[str]:
    for name in ("colorFrom", "colorTo"):
        if block.get(name) not in COLORS:
            yield f"{name} is {block.get(name)!r}, expected one of {', '.join(COLORS)}"
    if len(str(block.get("short_description") or "")) > 60:
        yield "short_description is longer than 60 characters"
    if block.get("hf_oauth"):
        yield "hf_oauth asks visitors for their account; leave it out"
    if not re.fullmatch(r"\d+\.\d+\.\d+", str(block.get("sdk_version"))):
        yield f"sdk_version is {block.get('sdk_version')!r}, expected an exact version"
