"""Perplexity of held-out comments, weighted by token."""

from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.stats import bootstrap

_DESCRIPTION = """
Perplexity of the comments of held-out posts, given the media and the question:
exp(sum of negative log-likelihoods / sum of tokens). Lower is better.
"""
_INPUTS = """
Args:
    nll: negative log-likelihood of each post's comments, summed over their tokens (nats).
    tokens: number of those tokens, per post.
    seed: of the bootstrap.
Returns:
    perplexity, and its 95 % interval over posts (None below two posts).
"""
RESAMPLES = 2000


class CommentPerplexity(evaluate.Metric):
    """Token-weighted perplexity with a percentile-bootstrap interval over posts."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"nll": datasets.Value("float64"), "tokens": datasets.Value("int64")}
            ),
        )

    def _compute(self, nll: list[float], tokens: list[int], seed: int) -> dict[str, Any]:
        sums, counts = np.asarray(nll, dtype=float), np.asarray(tokens, dtype=float)
        if counts.sum() == 0:
            raise ValueError(f"no comment token in {len(nll)} posts: perplexity is undefined")
        interval = None
        if len(sums) > 1:
            draws = bootstrap(
                (sums, counts),
                _perplexity,
                paired=True,
                n_resamples=RESAMPLES,
                method="percentile",
                rng=seed,
            ).bootstrap_distribution
            interval = np.nanpercentile(draws, [2.5, 97.5]).tolist()
        return {"perplexity": float(_perplexity(sums, counts)), "interval": interval}


def _perplexity(nll: np.ndarray, tokens: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.exp(nll.sum(axis=axis) / tokens.sum(axis=axis)))
