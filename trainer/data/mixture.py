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
    _block: tuple[int, list[Draw]] | None = None

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

    def epoch(self, epoch: int) -> list[Draw]:
        """Return every draw of an epoch, in the order of its micro-batches."""
        if self._block is None or self._block[0] != epoch:
            self._block = (epoch, self._draws(epoch))
        return self._block[1]

    def drawn_before(self, epoch: int) -> tuple[int, int]:
        """Return how many draws of each source came before an epoch."""
        while len(self._drawn) <= epoch:
            taken = int(np.count_nonzero(self.origin(len(self._drawn) - 1) == BEHAVIOR))
            self._drawn.append(self._drawn[-1] + taken)
        behavior = self._drawn[epoch]
        return behavior, epoch * self.epoch_steps * self.step - behavior

    def _draws(self, epoch: int) -> list[Draw]:
        origin = self.origin(epoch)
        before = self.drawn_before(epoch)
        ranks = np.where(
            origin == BEHAVIOR,
            before[BEHAVIOR] + np.cumsum(origin == BEHAVIOR) - 1,
            before[MIX] + np.cumsum(origin == MIX) - 1,
        )
        draws = [
            self._draw(source, rank)
            for source, rank in zip(origin.tolist(), ranks.tolist(), strict=True)
        ]
        if self.strategy == "group_by_length" and not self.lanes:
            draws = self._grouped(draws, epoch)
        return self._laned(draws, epoch) if self.lanes else draws

    def _draw(self, source: int, rank: int) -> Draw:
        if source == BEHAVIOR and self.lanes:
            return Draw(source, -1, -1)
        turn, place = divmod(rank, self.sources[source].count)
        key = (source, turn)
        if key not in self._passes:
            self._passes = {
                k: v for k, v in self._passes.items() if k[1] >= turn - 1 or k[0] != source
            }
            self._passes[key] = self.sources[source].order(
                self.seed, SOURCES[source], turn, self.strategy != "sequential"
            )
        return Draw(source, int(self._passes[key][place]), turn)

    def _grouped(self, draws: list[Draw], epoch: int) -> list[Draw]:
        """Put text-only and visual draws into steps of their own, as LLaVA does.

        Inside a step the longest come first, so that processes get rows of like length; what is
        left of both kinds makes the last, mixed steps. The steps' order is drawn again.
        """
        kinds: dict[bool, list[Draw]] = {True: [], False: []}
        for draw in draws:
            visual = self.sources[draw.source].visual
            kinds[bool(visual is None or visual[draw.place])].append(draw)
        whole = {kind: len(found) - len(found) % self.step for kind, found in kinds.items()}
        rest = [draw for kind, found in kinds.items() for draw in found[whole[kind] :]]
        pool = [draw for kind, found in kinds.items() for draw in found[: whole[kind]]] + rest
        steps = [pool[at : at + self.step] for at in range(0, len(pool), self.step)]
        for step in steps:
            step.sort(key=self._length, reverse=True)
        order = np.random.default_rng(fingerprint(self.seed, "steps", epoch)).permutation(
            len(steps)
        )
        return [draw for place in order for draw in steps[place]]

    def _length(self, draw: Draw) -> int:
        lengths = self.sources[draw.source].lengths
        return 0 if lengths is None else int(lengths[draw.place])

    def _laned(self, draws: list[Draw], epoch: int) -> list[Draw]:
        """Give streamed draws their lane and rank there: micro-batch m reads lane m mod L."""
        per_epoch = self.epoch_steps * self.step // self.micro
        first = epoch * per_epoch
        ranks = [int(count) for count in self._lane_counts(epoch)]
        found = []
        for place, draw in enumerate(draws):
            if draw.source == BEHAVIOR:
                lane = (first + place // self.micro) % self.lanes
                draw = Draw(BEHAVIOR, ranks[lane], -1, lane)
                ranks[lane] += 1
            found.append(draw)
        return found

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
            draws = self.mixture.epoch(epoch)
            yield draws[place * self.micro : (place + 1) * self.micro]
            at += self.processes
