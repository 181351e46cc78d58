"""The paper's two numbers while a model trains: comment perplexity and R2 of percent liked.

Measured on held-out posts that are always the same: losses by task are of that task's turn asked
alone, percent liked is read from a generated answer (paper Table 9; unit: 100 * likes / views).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from tqdm import tqdm

from trainer.data.collator import Collator
from trainer.data.compose import conversation
from trainer.evaluation.protocols.parse import parse_percent

# said in full: a model folder's own generation settings must not move a measured number
GREEDY = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": 24}
TASKS = ("scenes", "likes", "comments")
# winsorised R2: answers are pulled in to these percentiles of the true values before scoring, so
# that one absurd answer does not decide (the paper's -5.1 can be one)
WINSOR = (5.0, 95.0)


class Interrupted(Exception):
    """The run was asked to end while it was measuring."""


@dataclass
class HeldOut:
    """What a run is measured on: posts, items of the mix, and how many answers are generated."""

    posts: Any  # BehaviorRows, or a list of rows
    mix: Any | None
    answers: int
    batch_size: int
    stopping: Callable[[], bool]

    def measure(self, trainer: Any) -> dict[str, float]:
        """Return the measures of a trainer's model as it is; collective.

        {} when the run is asked to end meanwhile.
        """
        model = trainer.model
        model.eval()
        try:
            with torch.no_grad():
                found = self._losses(trainer, model)
                found |= self._liked(trainer, model) if self.answers else {}
        except Interrupted:
            return {}
        finally:
            model.train()
        return found

    def _losses(self, trainer: Any, model: Any) -> dict[str, float]:
        work = [(task, place) for task in TASKS for place in with_turn(self.posts, task)]
        work += [("mix", place) for place in range(len(self.mix or ()))]
        sums: dict[str, list[float]] = {task: [0.0, 0.0] for task in (*TASKS, "mix")}
        for task, places, counts in self._shares(trainer, work, "held-out loss"):
            source: Any = self.mix if task == "mix" else self.posts
            rows = [source[place] for place in places]
            collator = Collator(trainer.processing_class, {task: 1.0}, 0, None, "error")
            batch = {name: value.to(trainer.args.device) for name, value in collator(rows).items()}
            out = model(**batch, fused_lm_head=True)
            sums[task][0] -= counts * float(out.log_probs.float().sum())
            sums[task][1] += counts * float(out.label_mask.sum())
        table = torch.tensor(list(sums.values()), dtype=torch.float64)
        table = sum(part for part in gather_object([table]))
        losses = {
            f"{task}_loss": float(nll / tokens)
            for task, (nll, tokens) in zip(sums, table, strict=True)
            if tokens > 0
        }
        total = table[: len(TASKS)].sum(dim=0)
        if total[1] > 0:
            losses["loss"] = float(total[0] / total[1])
        if "comments_loss" in losses:
            losses["comment_perplexity"] = float(np.exp(losses["comments_loss"]))
        return losses

    def _liked(self, trainer: Any, model: Any) -> dict[str, float]:
        """Return the scores of percent liked, generated greedily."""
        places = [place for place in with_turn(self.posts, "likes")
                  if self.posts[place]["json"].get("percent_liked") is not None]  # fmt: skip
        work = [("likes", place) for place in places[: self.answers]]
        pairs: list[tuple[float, float | None]] = []
        sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        writer = model if sharded else trainer.accelerator.unwrap_model(model)
        for _, chosen, counts in self._shares(trainer, work, "percent liked"):
            rows = [self.posts[place] for place in chosen]
            answers = generate(writer, trainer.processing_class, rows, sharded)
            truths = [row["json"]["percent_liked"] for row in rows]
            if counts:
                pairs += zip(truths, map(parse_percent, answers), strict=True)
        every = gather_object(pairs)
        return liked_scores([truth for truth, _ in every], [guess for _, guess in every])

    def _shares(
        self, trainer: Any, work: Sequence[tuple[str, int]], title: str
    ) -> Iterator[tuple[str, list[int], int]]:
        """Yield (task, places, 1 or 0) of this process' batches; every process gets as many.

        A sharded model must run on all processes at once: the 0 marks a batch that only keeps step.
        """
        batches: list[tuple[str, list[int]]] = []
        for task in dict.fromkeys(task for task, _ in work):
            places = [place for name, place in work if name == task]
            for start in range(0, len(places), self.batch_size):
                batches.append((task, places[start : start + self.batch_size]))
        process, processes = trainer.args.process_index, trainer.args.world_size
        rounds = range(0, len(batches), processes)
        shown = trainer.is_world_process_zero() and not trainer.args.disable_tqdm
        for start in tqdm(rounds, desc=title, disable=not shown, leave=False):
            if self.stopping():
                raise Interrupted
            mine = start + process
            task, places = batches[min(mine, len(batches) - 1)]
            yield task, places, int(mine < len(batches))


def with_turn(posts: Any, task: str) -> list[int]:
    """Return the places of the posts that have a task's turn."""
    table = getattr(posts, "table", None)
    if table is None:
        samples = [row["json"] for row in posts]
    else:
        samples = table.select(posts.rows).select_columns(["json"])["json"]
    return [
        place
        for place, sample in enumerate(samples)
        if any(turn["task"] == task for turn in sample["turns"])
    ]


def generate(model: Any, processor: Any, rows: Sequence[Any], synced: bool) -> list[str]:
    """Return the answers to the likes question of each row."""
    talks = [
        conversation(
            row,
            [turn for turn in row["json"]["turns"] if turn["task"] == "likes"],
            with_answer=False,
        )
        for row in rows
    ]
    batch = processor.apply_chat_template(
        talks,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_generation_prompt=True,
    ).to(model.device)
    written = model.generate(**batch, **GREEDY, use_cache=True, synced_gpus=synced)
    new = written[:, batch["input_ids"].shape[1] :]
    return list(processor.batch_decode(new, skip_special_tokens=True))


def liked_scores(truths: Sequence[float], guesses: Sequence[float | None]) -> dict[str, float]:
    """Return R2 (raw, winsorised), Spearman's rho of the parsed answers, and the unparsed share.

    R2 and rho need two parsed answers with different truths; a constant guess has rho 0.
    """
    if not truths:
        return {}
    parsed = [(t, g) for t, g in zip(truths, guesses, strict=True) if g is not None]
    scores = {"liked_unparsed": 1 - len(parsed) / len(truths), "liked_n": float(len(truths))}
    truth = np.array([t for t, _ in parsed])
    guess = np.array([g for _, g in parsed])
    if len(parsed) < 2 or np.ptp(truth) == 0:
        return scores
    low, high = np.percentile(truth, WINSOR)
    scores["liked_r2"] = r_squared(truth, guess)
    scores["liked_r2_winsorised"] = r_squared(truth.clip(low, high), guess.clip(low, high))
    from scipy.stats import spearmanr

    constant = np.ptp(guess) == 0
    scores["liked_spearman"] = 0.0 if constant else float(spearmanr(truth, guess).statistic)
    return scores


def r_squared(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return 1 - residual / total sum of squares."""
    return float(1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
