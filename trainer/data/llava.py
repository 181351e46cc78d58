"""The original instruction data: LLaVA's JSON, and LLaVA-Video-178K's, with a folder of media.

One item is `{"id", "image" | "video": path, "conversations": [{"from", "value"}, …]}`; without
media it is text only (ShareGPT). Files are lists or JSON lines; a folder means every such file in
it. Nothing is replaced: an item that cannot be used is counted by its reason.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
MARKS = ("<image>", "<video>")
# a download under another ending is the same picture (OCR-VQA's are .gif, .png or .jpg)
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp")
FORM = '[{"id": …, "image" or "video": path, "conversations": [{"from": "human", "value": …}, …]}]'


class MixProblem(ValueError):
    """The instruction mix cannot be used: its form, its folder, or too much of it is missing."""


@dataclass
class Mix:
    """The usable items of a mix, and why the others are not (`unusable`: reason -> count)."""

    items: Any  # datasets.Dataset: id, kind, media, turns
    folder: Path | None
    rows: list[int]
    unusable: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Return one item for the collator: `id`, `task` and its `messages`."""
        item = self.items[self.rows[place]]
        paths = [str(found_file(self.folder, path)) for path in item["media"]]
        return {"id": item["id"], "task": "mix", "messages": messages(item, paths)}

    def facts(self) -> tuple[list[str], list[int], list[bool]]:
        """Return (ids, words of text, has media) of the usable items."""
        table = self.items.select(self.rows).select_columns(["id", "words", "kind"])
        return list(table["id"]), list(table["words"]), [kind != "" for kind in table["kind"]]


def load_mix(paths: Sequence[str], folder: str | None, most_missing: float) -> Mix:
    """Read a mix; MixProblem when its form is another, or more than a share is unusable."""
    files = [file for path in paths for file in mix_files(Path(path))]
    items = read_items(files)
    root = Path(folder) if folder else None
    if root is None and any(items["kind"]):
        raise MixProblem(
            f"the mix {list(paths)} has items with pictures or videos, and no folder for them: "
            "give --mix_media FOLDER, the one that their paths are relative to"
        )
    if root is not None and not root.is_dir():
        raise MixProblem(
            f"mix_media {folder!r}: no such folder; expected the one that the `image` and `video` "
            "paths of the mix are relative to"
        )
    mix = Mix(items, root, [])
    for place, (reason, media) in enumerate(zip(items["reason"], items["media"], strict=True)):
        why = reason or next((w for path in media if (w := missing(root, path))), "")
        if why:
            mix.unusable[why] += 1
        else:
            mix.rows.append(place)
    check_share(mix.unusable, len(items), most_missing, "mix_media")
    if not mix.rows:
        raise MixProblem(f"the mix {list(paths)} has no usable item ({dict(mix.unusable)})")
    return mix


def check_share(unusable: Counter[str], of: int, most: float, remedy: str) -> None:
    """Raise MixProblem when more than the share `most` of the mix is unusable."""
    count = sum(unusable.values())
    if count > most * of:
        raise MixProblem(
            f"{count} of {of} items of the mix cannot be used ({dict(unusable)}), more than "
            f"max_missing_media={most}: complete the folder given by {remedy}, or raise it"
        )


def mix_files(path: Path) -> list[Path]:
    """Return the JSON files that a path means."""
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix in (".json", ".jsonl"))
    if not found:
        raise MixProblem(
            f"mix_data {str(path)!r}: expected a .json or .jsonl file, or their folder"
        )
    return found


def read_items(files: Sequence[Path]) -> Any:
    """Return all items as one memory-mapped data set, which processes and workers share."""
    from datasets import Dataset, Features, List, Value, config

    state = hashlib.sha256()
    for path in files:
        facts = path.stat()
        state.update(f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    for path in files:
        check_form(path)
    columns = {"id": Value("string"), "kind": Value("string"), "media": List(Value("string"))}
    columns["turns"] = List({"role": Value("string"), "text": Value("string")})
    columns |= {"words": Value("int32"), "reason": Value("string")}
    return Dataset.from_generator(
        every_item,
        features=Features(columns),
        cache_dir=str(Path(config.HF_DATASETS_CACHE) / "blift-mix" / state.hexdigest()[:24]),
        gen_kwargs={"files": [str(path) for path in files]},
    )


def every_item(files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the items of all files in one form."""
    for path in files:
        for place, raw in enumerate(raw_items(Path(path))):
            yield item_of(raw, f"{Path(path).stem}/{place}")


def raw_items(path: Path) -> Iterator[Any]:
    """Yield a file's items; MixProblem when it is no list and no JSON lines."""
    with path.open(encoding="utf-8") as stream:
        lines = path.suffix == ".jsonl"
        try:
            found = (
                (json.loads(line) for line in stream if line.strip())
                if lines
                else json.load(stream)
            )
            if not lines and not isinstance(found, list):
                raise MixProblem(
                    f"mix_data {str(path)!r} holds a {type(found).__name__}: expected {FORM}"
                )
            yield from found
        except json.JSONDecodeError as error:
            raise MixProblem(
                f"mix_data {str(path)!r} is not JSON ({error}): expected {FORM}"
            ) from error


def check_form(path: Path) -> None:
    """Look at the first item, so that another form is refused before anything else is done."""
    first = next(raw_items(path), None)
    talk = first.get("conversations") if isinstance(first, dict) else None
    if not isinstance(talk, list) or not talk or not _is_turn(talk[0]):
        keys = sorted(first) if isinstance(first, dict) else type(first).__name__
        raise MixProblem(f"mix_data {str(path)!r}: its first item is {keys}, expected {FORM}")


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and isinstance(turn.get("value"), str) and "from" in turn


def item_of(raw: Any, name: str) -> dict[str, Any]:
    """Return one item in our form, with a `reason` where it cannot be used."""
    empty = {"id": name, "kind": "", "media": [], "turns": [], "words": 0}
    talk = raw.get("conversations") if isinstance(raw, dict) else None
    if not isinstance(talk, list) or not all(map(_is_turn, talk)):
        return {**empty, "reason": "malformed"}
    turns = [
        {"role": ROLES.get(turn["from"], turn["from"]), "text": turn["value"]} for turn in talk
    ]
    if turns and turns[0]["role"] == "assistant":
        turns = turns[1:]  # as LLaVA does: a dialogue that was cut out of a longer one
    spoken = turns[1:] if turns and turns[0]["role"] == "system" else turns
    expected = ["user", "assistant"] * (len(spoken) // 2)
    if not spoken or [turn["role"] for turn in spoken] != expected:
        return {**empty, "reason": "not a dialogue of questions and answers"}
    kind = "video" if raw.get("video") else "image" if raw.get("image") else ""
    media = raw[kind] if kind else []
    return {
        "id": str(raw.get("id", name)),
        "kind": kind,
        "media": [media] if isinstance(media, str) else [str(path) for path in media],
        "turns": turns,
        "words": sum(len(turn["text"].split()) for turn in turns),
        "reason": "",
    }


def found_file(folder: Path | None, path: str) -> Path | None:
    """Return the file of a medium: as named, or the same picture under another ending."""
    if folder is None:
        return None
    named = folder / path
    others = [named.with_suffix(ending) for ending in ENDINGS if named.suffix.lower() in ENDINGS]
    return next((file for file in (named, *others) if file.is_file()), None)


def missing(folder: Path | None, path: str) -> str:
    """Return why a medium cannot be read, empty when it can; a path may not leave the folder."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        return "outside mix_media"
    return "" if found_file(folder, path) else "missing"


def messages(item: dict[str, Any], paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return the item's conversation for the processor, the media where their mark stood.

    A mark is media only at the edge of a question of an item that has media, as LLaVA writes
    them; everywhere else `<image>` is what somebody wrote, and stays text.
    """
    parts = [{"type": item["kind"], item["kind"]: path} for path in paths]
    talk: list[dict[str, Any]] = []
    for turn in item["turns"]:
        content: list[dict[str, Any]] = [{"type": "text", "text": turn["text"]}]
        if parts and turn["role"] == "user":
            text, after = without_marks(turn["text"])
            said = [{"type": "text", "text": text}] if text else []
            content = [*said, *parts] if after else [*parts, *said]
            parts = []
        talk.append({"role": turn["role"], "content": content})
    return talk


def without_marks(text: str) -> tuple[str, bool]:
    """Return a question without the marks at its edges, and whether one stood behind it."""
    after = False
    changed = True
    while changed:
        changed = False
        for mark in MARKS:
            if text.lstrip().startswith(mark):
                text, changed = text.lstrip().removeprefix(mark).lstrip("\n "), True
            elif text.rstrip().endswith(mark):
                text, changed = text.rstrip().removesuffix(mark).rstrip("\n "), True
                after = True
    return text, after
