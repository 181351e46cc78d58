"""All labels of an item in one packed row under a tree mask over one shared prefix.

The prefix is run once. Labels form a tree of token ids; every distinct beginning that something
follows is one node of the row, seeing the prefix, its ancestors and itself, at position P + depth.
Labels of one token need no second forward at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Inputs = Mapping[str, Any]
# what a forward on text tokens after the prefix must not be handed again
TEXT_ONLY = ("input_ids", "attention_mask", "position_ids")


@dataclass(frozen=True)
class Tree:
    """Nodes of the packed row. parent: index of a node, -1 for the prefix."""

    tokens: list[int]
    parents: list[int]
    depths: list[int]
    index: dict[tuple[int, ...], int]

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]]) -> "Tree":
        """The tree of every beginning that some label continues."""
        made = cls([], [], [], {(): -1})
        for label in labels:
            for size in range(1, len(label)):
                path = tuple(label[:size])
                if path not in made.index:
                    made.index[path] = len(made.tokens)
                    made.tokens.append(label[size - 1])
                    made.parents.append(made.index[path[:-1]])
                    made.depths.append(size - 1)
        return made

    def sees(self) -> torch.Tensor:
        """[nodes, nodes] bool: itself and its ancestors."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


@torch.inference_mode()
def packed_logprobs(
    model: Any, prefix: Inputs, labels: Sequence[Sequence[int]]
) -> tuple[list[list[float]], Any]:
    """(log p of every token of every label after the prefix, the prefix's cache).

    prefix: one item's inputs, batch of one, unpadded. The cache is cropped back to the prefix.
    """
    # a cache that grew in a hidden state cannot be cropped: the caller checks equality once
    out = model(**prefix, use_cache=True, logits_to_keep=1)
    first = log_softmax(out.logits[0, -1])
    tree, length = Tree.of(labels), prefix["input_ids"].shape[1]
    rows = torch.empty(0)
    if tree.tokens:
        rows = _tree_logits(model, tree, out.past_key_values, length)
        # the library counts what to remove, as a negative number
        out.past_key_values.crop(-len(tree.tokens))
    return [_walk(tree, first, rows, label) for label in labels], out.past_key_values


def _tree_logits(model: Any, tree: Tree, cache: Any, length: int) -> torch.Tensor:
    device, dtype = model.device, model.dtype
    nodes = len(tree.tokens)
    allowed = torch.cat([torch.ones(nodes, length, dtype=torch.bool), tree.sees()], dim=1)
    mask = torch.zeros(nodes, length + nodes, dtype=dtype, device=device)
    mask.masked_fill_(~allowed.to(device), torch.finfo(dtype).min)
    positions = length + torch.tensor(tree.depths, device=device)
    out = model(
        input_ids=torch.tensor([tree.tokens], device=device),
        attention_mask=mask[None, None],
        position_ids=positions[None],
        past_key_values=cache,
        use_cache=True,
    )
    return log_softmax(out.logits[0])


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """In float32: bfloat16 has three digits."""
    return torch.log_softmax(logits.float(), dim=-1)


def _walk(tree: Tree, first: torch.Tensor, rows: torch.Tensor, label: Sequence[int]) -> list[float]:
    values = [float(first[label[0]])]
    for size in range(1, len(label)):
        values.append(float(rows[tree.index[tuple(label[:size])], label[size]]))
    return values


@torch.inference_mode()
def full_logprobs(model: Any, prefix: Inputs, labels: Sequence[Sequence[int]]) -> list[list[float]]:
    """The same by one full forward per label: the definition, and the way for models whose
    attention the packed row does not fit (sliding windows, recurrent layers, own position ids)."""
    found = []
    for label in labels:
        more = torch.tensor([list(label)], device=prefix["input_ids"].device)
        inputs = dict(prefix)
        inputs["input_ids"] = torch.cat([prefix["input_ids"], more], dim=1)
        for name, value in prefix.items():
            if name.endswith("mask") and getattr(value, "shape", None) == prefix["input_ids"].shape:
                inputs[name] = torch.cat([value, torch.ones_like(more, dtype=value.dtype)], dim=1)
            elif name == "token_type_ids":
                inputs[name] = torch.cat([value, torch.zeros_like(more)], dim=1)
        logits = model(**inputs, use_cache=False).logits[0]
        scores = log_softmax(logits[-len(label) - 1 : -1])
        found.append([float(scores[place, token]) for place, token in enumerate(label)])
    return found


def label_entries(
    names: Sequence[str],
    label_ids: Sequence[Sequence[int]],
    values: Sequence[Sequence[float]],
    priors: Sequence[Sequence[float]] | None,
    ends: bool,
    shared_first: bool,
) -> dict[str, dict[str, Any]]:
    """The `labels` object of a prediction. values: per token, with the end token where `ends`."""
    entries = {}
    for place, (name, ids) in enumerate(zip(names, label_ids, strict=True)):
        own, count = values[place], len(ids)
        entry = {
            "logprob": rounded(sum(own[:count])),
            "tokens": count,
            "bytes": len(name.encode()),
            "first": None if shared_first else rounded(own[0]),
        }
        if ends:
            entry["end"] = rounded(sum(own))
        if priors is not None:
            entry["prior"] = rounded(sum(priors[place][:count]))
        entries[name] = entry
    return entries


def rounded(value: float) -> float:
    """Five decimals: below the difference of two thread counts, above that of two labels."""
    return round(value, 5)
