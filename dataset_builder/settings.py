"""Settings of a build: the defaults and presets of blift.yaml plus `--set` overrides, frozen.

`settings.reddit.min_words` reads one value. Unknown keys, and values that a key may not have
(`allowed`), are refused by name.
"""

import copy
import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from dataset_builder.allowed import ALLOWED, conflicts
from dataset_builder.errors import UsageError

FILE = Path(__file__).with_name("blift.yaml")
# how a build runs, not what it makes: none of these may change a byte of the release
MACHINE = frozenset(
    f"build.{key}"
    for key in (
        "annotator_gpus",
        "decoder_memory_gb",
        "executor",
        "keep_work",
        "memory_mb",
        "partitions",
        "slurm_partition",
        "slurm_time",
        "tombstones",
    )
)


class Section:
    """Read-only attribute access to one section of the settings."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        try:
            return self._values[key]
        except KeyError:
            raise AttributeError(f"settings.{self._name} has no key {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"settings are frozen; cannot set {self._name}.{key} to {value!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Section, (self._name, self._values)

    def as_dict(self) -> dict[str, Any]:
        """The section as plain values."""
        return dict(self._values)


class Settings:
    """All sections of one build, by attribute; `preset` names where they came from."""

    def __init__(self, preset: str, tree: Mapping[str, Mapping[str, Any]]) -> None:
        self.preset = preset
        self._sections = {name: Section(name, values) for name, values in tree.items()}

    def __getattr__(self, name: str) -> Section:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._sections[name]
        except KeyError:
            raise AttributeError(f"settings has no section {name!r}") from None

    def replaced(self, section: str, **values: Any) -> "Settings":
        """The same settings with other values in one section."""
        tree = {name: one.as_dict() for name, one in self._sections.items()}
        return Settings(self.preset, {**tree, section: {**tree[section], **values}})

    def as_dict(self) -> dict[str, Any]:
        """The settings as the manifest records them: without those of the machine (MACHINE)."""
        tree: dict[str, Any] = {"preset": self.preset}
        for name, section in self._sections.items():
            values = section.as_dict().items()
            tree[name] = {key: value for key, value in values if f"{name}.{key}" not in MACHINE}
        return tree

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of `as_dict`."""
        text = json.dumps(self.as_dict(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


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
    for conflict in conflicts(tree):
        raise UsageError(f"settings {conflict}; see dataset_builder/blift.yaml")
    return Settings(preset, tree)


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
    allowed = ALLOWED[section][name]
    if not allowed.holds(value):
        raise UsageError(
            f"setting {key}={value!r}: expected {allowed.words}; see dataset_builder/blift.yaml"
        )
    tree[section][name] = value


def _keys(tree: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    return (f"{section}.{name}" for section, values in tree.items() for name in values)
