"""Nine regions in predicted order against their fixation counts."""

from collections.abc import Sequence

from scipy.stats import spearmanr


def region_order(counts: Sequence[int], order: Sequence[int]) -> tuple[float, bool]:
    """(rho, top1). counts: per region in reading order; order: region indices, most salient first.

    rho: counts against minus the predicted position, ties averaged, 0 for equal counts; top1: the
    first region is the one with most fixations, ties in reading order.
    """
    position = [0] * len(counts)
    for rank, region in enumerate(order):
        position[region] = rank
    best = max(range(len(counts)), key=lambda i: (counts[i], -i))
    if len(set(counts)) == 1:
        return 0.0, order[0] == best
    value = spearmanr(counts, [-place for place in position]).statistic
    return float(value), order[0] == best
