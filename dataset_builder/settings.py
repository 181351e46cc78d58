"""Settings of a build: the defaults and presets of blift.yaml plus `--set` overrides, frozen.

`settings.reddit.min_words` reads one value. Unknown keys, and values that a key may not have
(`sections`), are refused by name.
"""

import copy
import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from dataset_builder.allowed import conflicts
from dataset_builder.errors import UsageError
from dataset_builder.sections import (
    MACHINE,
    Annotate,
    Build,
    CommentRanking,
    Fetch,
    Media,
    Privacy,
    Reddit,
    Scenes,
    Shards,
    Source,
    Splits,
    Turns,
    Youtube,
    field_notes,
)

FILE = Path(__file__).with_name("blift.yaml")


@dataclass(frozen=True)
class Settings:
    """All sections of one build; `preset` names where they came from."""

    preset: str
    reddit: Reddit
    youtube: Youtube
    comments: CommentRanking
    privacy: Privacy
    splits: Splits
    build: Build
    media: Media
    fetch: Fetch
    scenes: Scenes
    annotate: Annotate
    turns: Turns
    shards: Shards

    def source(self, name: str) -> Source:
        """The section of one platform."""
        return {"reddit": self.reddit, "youtube": self.youtube}[name]

    def changed(self, values: Mapping[str, Mapping[str, Any]]) -> "Settings":
        """The same with other values, by section and name. Raises UsageError as `load_settings`."""
        tree = {name: dict(vars(getattr(self, name))) for name in SECTIONS}
        defaults = {name: dict(section) for name, section in tree.items()}
        for section, some in values.items():
            for name, value in some.items():
                _assign(tree, defaults, f"{section}.{name}", value)
        return _settings(self.preset, tree)

    def as_dict(self) -> dict[str, Any]:
        """The settings as the manifest records them: without those of the machine."""
        tree: dict[str, Any] = {"preset": self.preset}
        for name, section in SECTIONS.items():
            values = getattr(self, name)
            notes = field_notes(section)
            tree[name] = {key: getattr(values, key) for key in notes if MACHINE not in notes[key]}
        return tree

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of `as_dict`."""
        text = json.dumps(self.as_dict(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


SECTIONS: dict[str, Any] = {
    name: section for name, section in get_type_hints(Settings).items() if name != "preset"
}


@lru_cache(maxsize=1)
def _document() -> dict[str, dict[str, Any]]:
    with FILE.open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file))


def presets() -> tuple[str, ...]:
    """Names of the presets of blift.yaml."""
    return tuple(_document()["presets"])


def load_settings(preset: str, overrides: Sequence[str]) -> Settings:
    """The preset's settings with `dotted.key=value` overrides applied (values are YAML).

    Raises UsageError for an unknown preset or key, or a value the key may not have.
    """
    tree: dict[str, dict[str, Any]] = copy.deepcopy(_document()["settings"])
    changes: dict[str, dict[str, Any]] = _document()["presets"]
    if preset not in changes:
        raise UsageError(f"unknown preset {preset!r}; blift.yaml has {', '.join(sorted(changes))}")
    defaults = {section: dict(values) for section, values in tree.items()}
    for key, value in changes[preset].items():
        _assign(tree, defaults, key, value)
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item!r}: expected KEY=VALUE, for example reddit.min_words=3")
        _assign(tree, defaults, key.strip(), _value(defaults, key.strip(), text))
    return _settings(preset, tree)


def _settings(preset: str, tree: Mapping[str, Mapping[str, Any]]) -> Settings:
    for conflict in conflicts(tree):
        raise UsageError(f"settings {conflict}; see dataset_builder/blift.yaml")
    sections = {name: section(**tree[name]) for name, section in SECTIONS.items()}
    return Settings(preset, **sections)


def _value(defaults: Mapping[str, Mapping[str, Any]], key: str, text: str) -> Any:
    """The YAML value of `text`; `off` and `12:00:00` stay words where a word is expected."""
    value = _yaml(key, text)
    section, _, name = key.partition(".")
    word = isinstance(defaults.get(section, {}).get(name), str)
    return text.strip() if isinstance(value, bool | int | float) and word else value


def _yaml(key: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {key}={text!r}: not a YAML value ({error})") from error
    except ValueError:  # it looks like a day, but there is no such day
        return text.strip()
    # YAML reads 2018-01-01 as a date; the settings keep days as text
    return value.isoformat() if isinstance(value, datetime.date) else value


def _assign(
    tree: dict[str, dict[str, Any]], defaults: Mapping[str, Mapping[str, Any]], key: str, value: Any
) -> None:
    section, _, name = key.partition(".")
    if section not in tree or name not in tree[section]:
        known = list(_keys(defaults))
        import difflib  # for those who mistyped alone

        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        raise UsageError(f"unknown setting {key!r}; {hint}")
    allowed = field_notes(SECTIONS[section])[name][0]
    if not allowed.holds(value):
        raise UsageError(
            f"setting {key}={value!r}: expected {allowed.words}; see dataset_builder/blift.yaml"
        )
    tree[section][name] = value


def _keys(tree: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    return (f"{section}.{name}" for section, values in tree.items() for name in values)
