"""One true statement among candidates: accuracy and mean reciprocal rank."""

from collections.abc import Sequence


def true_rank(scores: Sequence[float], truth: int) -> int:
    """Rank of candidate `truth`, 1 is best; on a tie the first index is ranked higher."""
    mine = scores[truth]
    return 1 + sum(s > mine or (s == mine and i < truth) for i, s in enumerate(scores))


def retrieval(ranks: Sequence[int]) -> dict[str, float | None]:
    """accuracy: share of rank 1; mean_reciprocal_rank."""
    if not ranks:
        return {"accuracy": None, "mean_reciprocal_rank": None}
    return {
        "accuracy": sum(rank == 1 for rank in ranks) / len(ranks),
        "mean_reciprocal_rank": sum(1 / rank for rank in ranks) / len(ranks),
    }
