"""Which sample comes when: a pure function of seed, epoch and sample ids.

Nothing here knows of processes, workers or the order of files. Micro-batch m of an epoch holds the
same samples however many processes share the work, and a resumed run computes where it was.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

BEHAVIOR, MIX = 0, 1
SOURCES = ("behavior", "mix")
Words = np.ndarray[Any, np.dtype[np.uint64]]


class Draw(NamedTuple):
    """One sample of a batch: its source, its place there, and how often it came before.

    `place` is a row of the source, or its rank in a lane where the source is streamed.
    """

    source: int
    place: int
    turn: int  # the pass over the source, which decides which questions are asked
    lane: int = -1


class TooFewSamples(ValueError):
    """The processes take more samples at once than the data set holds."""


def fingerprint(*parts: object) -> int:
    """Return 64 bits that depend on the parts alone, on every machine."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def id_words(ids: Sequence[str]) -> Words:
    """Return one 64-bit word per id; the second of two equal ids gets another word."""
    seen: dict[str, int] = {}
    words = np.empty(len(ids), np.uint64)
    for place, name in enumerate(ids):
        again = seen[name] = seen.get(name, -1) + 1
        words[place] = fingerprint(name, again) if again else fingerprint(name)
    return words


def scatter(words: Words, seed: int) -> Words:
    """Mix the words with a seed (the finalizer of splitmix64), so that sorting them shuffles."""
    mixed = words ^ np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class Source:
    """What the order must know of one source: its samples' ids, lengths and kinds.

    `count` samples; a streamed source has no `words` (ids are not known beforehand).
    """

    count: int
    words: Words | None = None
    lengths: np.ndarray | None = None  # words of text, of any unit
    visual: np.ndarray | None = None  # has a picture or a video

    def order(self, seed: int, name: str, turn: int, shuffled: bool) -> np.ndarray:
        """Return the rows of one pass in the order in which they are drawn."""
        if self.words is None or not shuffled:
            return np.arange(self.count)
        return np.argsort(scatter(self.words, fingerprint(seed, name, turn)), kind="stable")


@dataclass
class Mixture:
    """The endless order of one run, cut into epochs of whole steps.

    An epoch is as many draws as both sources have samples, rounded up to whole steps of `step`
    samples: no sample is repeated or left out to fill a batch, the next pass begins inside it.
    Each draw is of BLIFT with probability `share` (1 without a mix); a source is gone through
    whole, in a new order, before it begins anew.
    """

    sources: tuple[Source, ...]
    share: float
    seed: int
    step: int
    strategy: str  # random | sequential | group_by_length
    lanes: int = 0  # of a streamed first source; 0: read by index
    micro: int = 1  # samples of a micro-batch, which come from one lane
    _drawn: list[int] = field(default_factory=lambda: [0])  # BLIFT draws before each epoch
    _passes: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    _block: tuple[int, np.ndarray] | None = None

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch: over the sources that are drawn at all."""
        behavior = self.sources[BEHAVIOR].count if self.share > 0 else 0
        others = sum(source.count for source in self.sources[1:]) if self.share < 1 else 0
        return -(-(behavior + others) // self.step)

    def origin(self, epoch: int) -> np.ndarray:
        """Return the source of every draw of an epoch."""
        size = self.epoch_steps * self.step
        if len(self.sources) == 1:
            return np.zeros(size, np.int8)
        draws = np.random.default_rng(fingerprint(self.seed, "source", epoch)).random(size)
        return (draws >= self.share).astype(np.int8)

    def draws(self, epoch: int, start: int, stop: int) -> list[Draw]:
        """Return some draws of an epoch, in the order of its micro-batches."""
        if self._block is None or self._block[0] != epoch:
            self._block = (epoch, self._drawn_epoch(epoch))
        return [Draw(*row) for row in self._block[1][start:stop].tolist()]

    def drawn_before(self, epoch: int) -> tuple[int, int]:
        """Return how many draws of each source came before an epoch."""
        while len(self._drawn) <= epoch:
            taken = int(np.count_nonzero(self.origin(len(self._drawn) - 1) == BEHAVIOR))
            self._drawn.append(self._drawn[-1] + taken)
        behavior = self._drawn[epoch]
        return behavior, epoch * self.epoch_steps * self.step - behavior

    def _drawn_epoch(self, epoch: int) -> np.ndarray:
        """Return [draws, 4]: source, place, turn, lane of every draw of an epoch."""
        origin, before = self.origin(epoch), self.drawn_before(epoch)
        table = np.full((len(origin), 4), -1, np.int64)
        table[:, 0] = origin
        for source in range(len(self.sources)):
            mine = np.flatnonzero(origin == source)
            if source == BEHAVIOR and self.lanes:
                self._fill_lanes(table, mine, epoch)
            elif len(mine):
                table[mine, 1:3] = self._placed(source, before[source] + np.arange(len(mine)))
        if self.strategy == "group_by_length" and not self.lanes:
            return table[self._grouped(table, epoch)]
        return table

    def _placed(self, source: int, ranks: np.ndarray) -> np.ndarray:
        """Return [ranks, 2]: the row and the pass of a source's draws by their rank."""
        turns, inside = np.divmod(ranks, self.sources[source].count)
        found = np.empty((len(ranks), 2), np.int64)
        for turn in np.unique(turns).tolist():
            key = (source, turn)
            if key not in self._passes:
                shuffled = self.strategy != "sequential"
                order = self.sources[source].order(self.seed, SOURCES[source], turn, shuffled)
                old = [k for k in self._passes if k[0] == source and k[1] < turn - 1]
                for pair in old:
                    del self._passes[pair]
                self._passes[key] = order
            here = turns == turn
            found[here, 0] = self._passes[key][inside[here]]
        found[:, 1] = turns
        return found

    def _grouped(self, table: np.ndarray, epoch: int) -> np.ndarray:
        """Return the order that puts text-only and visual draws into steps of their own (LLaVA's).

        Inside a step the longest come first, so that processes get rows of like length; what is
        left of both kinds makes the last, mixed steps. The steps' order is drawn again.
        """
        visual, lengths = np.ones(len(table), bool), np.zeros(len(table), np.int64)
        for place, source in enumerate(self.sources):
            mine = table[:, 0] == place
            if source.visual is not None:
                visual[mine] = source.visual[table[mine, 1]]
            if source.lengths is not None:
                lengths[mine] = source.lengths[table[mine, 1]]
        kinds = [np.flatnonzero(visual), np.flatnonzero(~visual)]
        whole = [len(kind) - len(kind) % self.step for kind in kinds]
        parts = [kind[:end] for kind, end in zip(kinds, whole, strict=True)]
        parts += [kind[end:] for kind, end in zip(kinds, whole, strict=True)]
        steps = np.concatenate(parts).reshape(-1, self.step)
        longest = np.argsort(-lengths[steps], axis=1, kind="stable")
        steps = np.take_along_axis(steps, longest, axis=1)
        drawn = np.random.default_rng(fingerprint(self.seed, "steps", epoch))
        return steps[drawn.permutation(len(steps))].reshape(-1)

    def _fill_lanes(self, table: np.ndarray, mine: np.ndarray, epoch: int) -> None:
        """Give streamed draws their lane and rank there: micro-batch m reads lane m mod L."""
        per_epoch = self.epoch_steps * self.step // self.micro
        lanes = (epoch * per_epoch + mine // self.micro) % self.lanes
        for lane, before in enumerate(self._lane_counts(epoch).tolist()):
            served = mine[lanes == lane]
            table[served, 1] = before + np.arange(len(served))
        table[mine, 3] = lanes

    def _lane_counts(self, epoch: int) -> np.ndarray:
        """Return how many streamed draws each lane served before an epoch."""
        counts = np.zeros(self.lanes, np.int64)
        per_epoch = self.epoch_steps * self.step // self.micro
        for earlier in range(epoch):
            taken = (self.origin(earlier) == BEHAVIOR).reshape(per_epoch, self.micro).sum(axis=1)
            lanes = (earlier * per_epoch + np.arange(per_epoch)) % self.lanes
            counts += np.bincount(lanes, weights=taken, minlength=self.lanes).astype(np.int64)
        return counts


@dataclass
class MicroBatches:
    """One process' micro-batches from a step on, without end (a DataLoader's batch sampler)."""

    mixture: Mixture
    micro: int
    process: int
    processes: int
    first_step: int

    def __iter__(self) -> Any:
        """Yield lists of draws: micro-batch m of the run is process m mod P's."""
        per_epoch = self.mixture.epoch_steps * self.mixture.step // self.micro
        at = self.first_step * self.mixture.step // self.micro + self.process
        while True:
            epoch, place = divmod(at, per_epoch)
            yield self.mixture.draws(epoch, place * self.micro, (place + 1) * self.micro)
            at += self.processes
