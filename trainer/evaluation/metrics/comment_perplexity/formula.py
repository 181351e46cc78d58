"""Corpus perplexity: per token and per byte, natural logarithms throughout."""

import numpy as np


def perplexities(nll: np.ndarray, tokens: np.ndarray, sizes: np.ndarray) -> dict[str, float | int]:
    """nll: summed negative log-likelihood of each item (nats); sizes: UTF-8 bytes of its text.

    per_token = exp(sum nll / sum tokens), not a mean of perplexities; per_byte, bits_per_byte.
    """
    total, count, size = float(nll.sum()), int(tokens.sum()), int(sizes.sum())
    if count == 0 or size == 0:
        raise ValueError(f"no comment token in {len(nll)} posts: perplexity is undefined")
    return {
        "tokens": count,
        "bytes": size,
        "per_token": float(np.exp(total / count)),
        "per_byte": float(np.exp(total / size)),
        "bits_per_byte": total / size / float(np.log(2)),
    }
