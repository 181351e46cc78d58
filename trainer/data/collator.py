"""Rows -> one padded batch with labels: the only place where the loss mask is made.

TRL's own collators know neither video nor the Q-Former's text (and would show it the answer), so
training and evaluation both use this one.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from trainer.data.compose import Turn, conversation, select_turns, turn_draw

IGNORED = -100
OVER_BUDGET = ("error", "drop")
ABOUT = "about"
# a conversation about nothing, to keep step with other processes; it never has a label
BLANK_TALK: list[dict[str, Any]] = [
    {"role": role, "content": [{"type": "text", "text": "."}]}
    for role in ("system", "user", "assistant")
]


class OverBudgetError(ValueError):
    """A sample has more tokens than the budget; nothing is ever cut silently."""


def build_batch(
    processor: Any, conversations: Sequence[list[dict[str, Any]]]
) -> dict[str, torch.Tensor]:
    """Tokenise whole conversations, right-padded, with labels on the answer tokens only.

    `labels` (B, T) equals `input_ids` where the processor's `assistant_masks` is 1 and -100
    elsewhere. The Q-Former's text is the processor's own work: user turns, never an answer.
    """
    batch = dict(
        processor.apply_chat_template(
            list(conversations),
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
            padding_side="right",
            add_generation_prompt=False,
            return_assistant_tokens_mask=True,
        )
    )
    answer = torch.as_tensor(batch.pop("assistant_masks")) == 1  # (B, T)
    if answer.shape != batch["input_ids"].shape:
        raise ValueError(
            f"assistant_masks has shape {tuple(answer.shape)}, input_ids "
            f"{tuple(batch['input_ids'].shape)}: the processor must mark every token"
        )
    batch["labels"] = batch["input_ids"].masked_fill(~answer, IGNORED)
    return batch


@dataclass
class Collator:
    """Rows -> batch, with one draw of turns per sample and pass over the data.

    A row of BLIFT may say in `turn` which pass it is (0 without), an item of the instruction mix
    brings its own `messages`. `max_tokens` bounds one sample's sequence: above it `over_budget`
    decides between an error and a drop. With `always_visual` a batch of text alone gets one more
    row, a blank picture without a label: DeepSpeed reduces gradients in the order in which they
    become ready, which must be the same on every process.
    """

    processor: Any
    mix: Mapping[str, float]
    seed: int
    max_tokens: int | None
    over_budget: str
    always_visual: bool = False

    def __post_init__(self) -> None:
        if self.over_budget not in OVER_BUDGET:
            raise ValueError(f"over_budget {self.over_budget!r}: expected one of {OVER_BUDGET}")

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Compose, tokenise and mask the rows; OverBudgetError or a drop for one too long."""
        batch = self.counted(rows)
        del batch[ABOUT]
        return batch

    def counted(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the batch, and under ABOUT what became of its rows.

        Batches are made ahead of the steps that take them, so only those can add the counts up. A
        medium of the mix that cannot be decoded is left out and counted as broken; one of BLIFT
        is an error, because its builder had decoded it.
        """
        broken: list[str] = []
        batch, kept = self._encoded(rows, broken)
        lengths = [] if batch is None else batch["attention_mask"].sum(dim=1).tolist()[: len(kept)]
        fitting = self._within_budget([rows[i] for i in kept], lengths)
        dropped = len(kept) - len(fitting)
        if batch is None or not fitting:
            batch, kept = self._masked_filler(), []
        elif dropped:
            kept = [kept[i] for i in fitting]
            batch = self._built([self._conversation(rows[i]) for i in kept])
        batch[ABOUT] = {
            "ids": [name_of(row) for row in rows],
            "dropped": dropped,
            "broken": broken,
            "mix": sum("messages" in row for row in rows),
            "turns": [row.get("turn", 0) for row in rows],
            "tokens": int(batch["attention_mask"].sum()),
            "tasks": [taught for place in kept for taught in self.taught(rows[place])],
            "bookmarks": [row["bookmark"] for row in rows if "bookmark" in row],
        }
        return batch

    def taught(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(kind of medium, task) of every turn that this row's conversation answers."""
        if "messages" in row:
            return []  # the mix teaches what it teaches; its rows name no tasks
        return [(row["json"]["media_type"], turn["task"]) for turn in self._turns(row)]

    def _encoded(
        self, rows: Sequence[Mapping[str, Any]], broken: list[str]
    ) -> tuple[dict[str, Any] | None, list[int]]:
        """Return the batch of all rows that can be decoded, and their places."""
        places = list(range(len(rows)))
        try:
            return self._built([self._conversation(row) for row in rows]), places
        except ValueError as error:
            sound = [place for place in places if self._is_sound(rows[place], broken)]
            if len(sound) == len(rows):
                names = [name_of(row) for row in rows]
                raise ValueError(f"batch of samples {names}: {error}") from error
        batch = [self._conversation(rows[place]) for place in sound]
        return (self._built(batch) if batch else None), sound

    def _built(self, conversations: Sequence[list[dict[str, Any]]]) -> dict[str, Any]:
        batch = build_batch(self.processor, conversations)
        if not self.always_visual or {"pixel_values", "pixel_values_videos"} & set(batch):
            return batch
        blank = {"type": "image", "image": Image.new("RGB", (32, 32))}
        shown = [dict(message) for message in BLANK_TALK]
        shown[1]["content"] = [*shown[1]["content"], blank]
        batch = build_batch(self.processor, [*conversations, shown])
        batch["labels"][len(conversations) :] = IGNORED
        return batch

    def _is_sound(self, row: Mapping[str, Any], broken: list[str]) -> bool:
        try:
            build_batch(self.processor, [self._conversation(row)])
        except ValueError as error:
            if "messages" not in row:
                raise ValueError(f"sample {name_of(row)!r}: {error}") from error
            broken.append(name_of(row))
            return False
        return True

    def _within_budget(self, rows: Sequence[Mapping[str, Any]], lengths: list[int]) -> list[int]:
        """Return the places of the rows that fit the budget; OverBudgetError if so set."""
        most = self.max_tokens
        if most is None:
            return list(range(len(rows)))
        fitting = [i for i, length in enumerate(lengths) if length <= most]
        if self.over_budget == "error" and len(fitting) < len(rows):
            worst = max(range(len(rows)), key=lengths.__getitem__)
            raise OverBudgetError(
                f"sample {name_of(rows[worst])!r} has {lengths[worst]} tokens, the budget "
                f"max_tokens is {most}: raise max_tokens, select fewer turns with task_mix, or "
                "set over_budget to drop"
            )
        return fitting

    def _conversation(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "messages" in row:
            return list(row["messages"])
        return conversation(row, self._turns(row), with_answer=True)

    def _turns(self, row: Mapping[str, Any]) -> list[Turn]:
        sample = row["json"]
        draw: random.Random = turn_draw(self.seed, row.get("turn", 0), sample["id"])
        return select_turns(sample["turns"], self.mix, draw)

    def _masked_filler(self) -> dict[str, torch.Tensor]:
        """Return a batch without any label, so that every process still takes the same steps."""
        batch = self._built([BLANK_TALK])
        batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return batch


def name_of(row: Mapping[str, Any]) -> str:
    """Return a row's id, whichever source it is of."""
    return str(row["id"] if "messages" in row else row["json"]["id"])
