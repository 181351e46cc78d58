"""Candidates of speculative decoding that copies from the prompt, where the prompt holds media."""

from typing import Any

import torch
from transformers.generation.candidate_generator import CandidateGenerator


class TextCandidates(CandidateGenerator):
    """Hides placeholder tokens from another generator: it would propose to write them again."""

    def __init__(self, inner: CandidateGenerator, placeholders: list[int], stand_in: int) -> None:
        self.inner, self.placeholders, self.stand_in = inner, placeholders, stand_in

    def get_candidates(
        self, input_ids: torch.LongTensor, **kwargs: Any
    ) -> tuple[torch.LongTensor, torch.FloatTensor | None]:
        """The prompt as it is [1, T], then the candidates [1, T + n], and their logits if known."""
        hidden = torch.isin(input_ids, torch.tensor(self.placeholders, device=input_ids.device))
        text = input_ids.masked_fill(hidden, self.stand_in)
        found, logits = self.inner.get_candidates(text, **kwargs)
        return torch.cat([input_ids, found[:, input_ids.shape[1] :]], dim=1), logits

    def update_candidate_strategy(self, *args: Any, **kwargs: Any) -> None:
        """As the other generator does after each round."""
        self.inner.update_candidate_strategy(*args, **kwargs)


__all__ = ["TextCandidates"]
