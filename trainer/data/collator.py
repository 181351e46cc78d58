"""Rows -> one padded batch with labels: the only place where the loss mask is made.

TRL's own collators know neither video nor the Q-Former's text (and would show it the answer), so
training and evaluation both use this one.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.data.compose import conversation, select_turns, turn_draw

IGNORED = -100
OVER_BUDGET = ("error", "drop")


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
    """Shard rows -> batch, with one draw of turns per sample and epoch.

    `max_tokens` bounds one sample's sequence: above it `over_budget` decides between an error and
    a drop. Then the batch also holds `dropped` [1], how many of its rows are missing: batches are
    made ahead of the steps that take them, so only those can count. Set `epoch` before each epoch.
    """

    processor: Any
    mix: Mapping[str, float]
    seed: int
    max_tokens: int | None
    over_budget: str
    epoch: int = 0

    def __post_init__(self) -> None:
        if self.over_budget not in OVER_BUDGET:
            raise ValueError(f"over_budget {self.over_budget!r}: expected one of {OVER_BUDGET}")

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Compose, tokenise and mask the rows; OverBudgetError or a drop for one too long."""
        conversations = [self._conversation(row) for row in rows]
        try:
            batch = build_batch(self.processor, conversations)
        except ValueError as error:
            names = [row["json"]["id"] for row in rows]
            raise ValueError(f"batch of samples {names}: {error}") from error
        if self.max_tokens is None:
            return batch
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        kept = [i for i, length in enumerate(lengths) if length <= self.max_tokens]
        if self.over_budget == "error" and len(kept) < len(rows):
            worst = max(range(len(rows)), key=lengths.__getitem__)
            raise OverBudgetError(
                f"sample {rows[worst]['json']['id']!r} has {lengths[worst]} tokens, the budget "
                f"max_tokens is {self.max_tokens}: raise max_tokens, select fewer turns with "
                "task_mix, or set over_budget to drop"
            )
        if len(kept) < len(rows):
            batch = (
                build_batch(self.processor, [conversations[i] for i in kept])
                if kept
                else self._masked_filler()
            )
        if self.over_budget == "drop":
            batch["dropped"] = torch.tensor([len(rows) - len(kept)])
        return batch

    def _conversation(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        sample = row["json"]
        draw: random.Random = turn_draw(self.seed, self.epoch, sample["id"])
        turns = select_turns(sample["turns"], self.mix, draw)
        return conversation(row, turns, with_answer=True)

    def _masked_filler(self) -> dict[str, torch.Tensor]:
        """Return a batch without any label, so that every process still takes the same steps."""
        messages = [
            {"role": role, "content": [{"type": "text", "text": "."}]}
            for role in ("system", "user", "assistant")
        ]
        batch = build_batch(self.processor, [messages])
        batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return batch
