"""The order of samples: a pure function, the same for any number of processes and workers."""

from collections import Counter

import numpy as np
import pytest

from trainer.data.loader import MixedRows, RunData
from trainer.data.mixture import (
    BEHAVIOR,
    MIX,
    Draw,
    MicroBatches,
    Mixture,
    Source,
    TooFewSamples,
    id_words,
)


def source(count: int, name: str, **more: np.ndarray) -> Source:
    return Source(count, id_words([f"{name}{i}" for i in range(count)]), **more)


def mixture(counts: tuple[int, ...], share: float = 0.5, step: int = 4, **more: object) -> Mixture:
    sources = tuple(source(count, "bm"[place]) for place, count in enumerate(counts))
    settings = {"seed": 3, "strategy": "random", "micro": 2, **more}
    return Mixture(sources, share, step=step, **settings)  # type: ignore[arg-type]


def taken(mixed: Mixture, processes: int, steps: int, first: int = 0) -> list[list[Draw]]:
    """What all processes together take in each step, in the order of the micro-batches."""
    readers = [
        iter(MicroBatches(mixed, mixed.micro, p, processes, first)) for p in range(processes)
    ]
    rounds = mixed.step // mixed.micro // processes
    return [
        [draw for _ in range(rounds) for reader in readers for draw in next(reader)]
        for _ in range(steps)
    ]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_ten_thousand_draws_hit_the_share(share: float) -> None:
    origin = mixture((6000, 4000), share, step=10).origin(0)
    hits, draws = int((origin == BEHAVIOR).sum()), len(origin)
    assert draws == 10_000
    assert abs(hits - share * draws) < 2.58 * (draws * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("lanes", [0, 3])
def test_the_order_is_the_same_for_any_number_of_processes(lanes: int) -> None:
    one = taken(mixture((30, 20), lanes=lanes), 1, 40)
    assert one == taken(mixture((30, 20), lanes=lanes), 2, 40)


@pytest.mark.parametrize("first", [1, 12, 13, 14, 31])
@pytest.mark.parametrize("lanes", [0, 3])
def test_a_run_begins_anywhere(lanes: int, first: int) -> None:
    whole = taken(mixture((30, 20), lanes=lanes), 2, 40)
    assert taken(mixture((30, 20), lanes=lanes), 2, 40 - first, first) == whole[first:]


def test_each_pass_has_every_sample_once_and_another_order() -> None:
    draws = [draw for step in taken(mixture((10,), 1.0), 1, 20) for draw in step]
    passes = [[draw.place for draw in draws if draw.turn == turn] for turn in range(8)]
    assert all(sorted(found) == list(range(10)) for found in passes)
    assert len({tuple(found) for found in passes}) > 1


def test_a_mixed_epoch_is_as_long_as_both_sources_and_paces_them_apart() -> None:
    mixed = mixture((30, 20), 0.8, step=4)
    assert mixed.epoch_steps == 13  # 50 draws in steps of 4
    draws = [draw for step in taken(mixed, 1, 130) for draw in step]
    counts = Counter(draw.source for draw in draws)
    turns = {kind: max(d.turn for d in draws if d.source == kind) for kind in (BEHAVIOR, MIX)}
    assert turns == {BEHAVIOR: (counts[BEHAVIOR] - 1) // 30, MIX: (counts[MIX] - 1) // 20}


def test_order_follows_ids_and_not_places() -> None:
    ids = [f"post{i}" for i in range(50)]
    shuffled = ids[25:] + ids[:25]
    first = [ids[i] for i in Source(50, id_words(ids)).order(1, "behavior", 0, True)]
    again = [shuffled[i] for i in Source(50, id_words(shuffled)).order(1, "behavior", 0, True)]
    assert first == again
    assert len(set(id_words(["twice", "twice", "once"]).tolist())) == 3


def test_steps_are_of_one_kind_and_sorted_by_length() -> None:
    lengths, visual = np.arange(40), np.arange(40) % 3 == 0
    posts = source(40, "b", lengths=lengths, visual=visual)
    mixed = Mixture((posts,), 1.0, 0, 4, "group_by_length", micro=2)
    steps = taken(mixed, 1, 10)
    assert sorted(draw.place for step in steps for draw in step) == list(range(40))
    kinds = [{bool(visual[draw.place]) for draw in step} for step in steps]
    assert sum(len(kind) > 1 for kind in kinds) <= 1  # the rest of both kinds
    for step in steps:
        found = [lengths[draw.place] for draw in step]
        assert found == sorted(found, reverse=True)


def test_too_few_samples_are_refused() -> None:
    data = RunData(MixedRows(None, None), mixture((3,), 1.0), (3,))
    data.check(1)
    with pytest.raises(TooFewSamples, match="3 samples for 2 processes that take 2 each"):
        data.check(2)
