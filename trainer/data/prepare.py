"""What a run trains on and is measured on, from its settings; refuses before a model is loaded."""

from dataclasses import replace
from typing import Any

import numpy as np
from datasets import Dataset

from trainer.arguments import Run
from trainer.data.behavior import BehaviorRows, behavior_rows, usable
from trainer.data.compose import parse_task_mix
from trainer.data.llava import Mix, load_mix
from trainer.data.loader import MixedRows, RunData
from trainer.data.mixture import Mixture, Source, id_words
from trainer.data.rows import DatasetProblem, load_rows, shard_counts
from trainer.data.selections import Selection, selection, subset
from trainer.data.stream import StreamedRows


def turn_mix(run: Run) -> dict[str, float]:
    """Return the mix of turns: the recipe's, or that of its selection."""
    return parse_task_mix(run.blift.task_mix or selection(run.blift.selection).task_mix)


def config_of(run: Run) -> str | None:
    """Return the release's config: the recipe's, or that of its selection."""
    return run.script.dataset_config or selection(run.blift.selection).config


def split_rows(run: Run, split: str, *, streaming: bool) -> Any:
    """Return the rows of one split of the run's dataset."""
    revision = run.blift.dataset_revision
    return load_rows(run.dataset, config_of(run), split, revision, streaming=streaming)


def training_data(run: Run, mix: Mix | None) -> RunData:
    """Return what the run trains on, and in which order."""
    chosen, seed = selection(run.blift.selection), run.data_seed
    if run.mix_alone:
        return run_data(run, MixedRows(None, mix), Source(0), 0)
    rows = split_rows(run, run.script.dataset_train_split, streaming=run.script.dataset_streaming)
    turns = turn_mix(run)
    streamed = run.script.dataset_streaming
    if streamed and run.blift.max_train_samples:
        rows = first_rows(rows, run, chosen)
        streamed = False
    behavior: Any
    if streamed:
        behavior, source, lanes = streamed_rows(rows, run, chosen, turns)
    else:
        behavior = behavior_rows(
            rows, chosen, turns, seed, run.blift.fraction, run.blift.max_train_samples
        )
        source, lanes = behavior.source(), 0
    return run_data(run, MixedRows(behavior, mix), source, lanes)


def run_data(run: Run, rows: MixedRows, source: Source, lanes: int) -> RunData:
    """Return the rows with their order; TooFewSamples when the processes take more at once."""
    sources = (source,) if rows.mix is None else (source, mix_source(rows.mix))
    data = RunData(
        rows,
        Mixture(
            sources,
            1.0 if rows.mix is None else run.blift.p_behavior,
            run.data_seed,
            run.step_samples,
            run.training.train_sampling_strategy,
            lanes,
            run.training.per_device_train_batch_size,
        ),
        tuple(found.count for found in sources),
    )
    data.check(run.training.world_size)
    return data


def first_rows(stream: Any, run: Run, chosen: Selection) -> Any:
    """Return the first usable rows of a stream as a table in memory."""
    turns, wanted, found = turn_mix(run), run.blift.max_train_samples, []
    for batch in stream.iter(batch_size=1):
        row = {name: values[0] for name, values in batch.items()}
        if usable(row["json"], turns, chosen.form):
            found.append(row)
        if len(found) == wanted:
            break
    if not found:
        raise DatasetProblem(f"no sample has a turn of task_mix {','.join(turns)!r}")
    return Dataset.from_list(found, features=stream.features)


def streamed_rows(
    rows: Any, run: Run, chosen: Selection, turns: dict[str, float]
) -> tuple[StreamedRows, Source, int]:
    """Return a streamed source, its size and its lanes."""
    blift = run.blift
    if blift.fraction < 1 or chosen.samples:
        raise ValueError(
            f"selection {blift.selection!r} with fraction {blift.fraction} is a fixed subset, "
            "which needs all ids at once: set dataset_streaming to false"
        )
    split = run.script.dataset_train_split
    count = shard_counts(run.dataset, config_of(run), split, blift.dataset_revision)
    if count is None and rows.info.splits and split in rows.info.splits:
        count = rows.info.splits[split].num_examples
    if count is None and run.training.max_steps <= 0:
        raise ValueError(
            f"nothing says how many samples split {split!r} of {run.dataset!r} has (no "
            "manifest.json, no counts in the card): set max_steps"
        )
    lanes = min(blift.stream_lanes, rows.num_shards)
    shuffled = run.training.train_sampling_strategy != "sequential"
    streamed = StreamedRows(
        rows, chosen, turns, run.data_seed, lanes, blift.stream_window, shuffled
    )
    return streamed, Source(count or run.training.max_steps * run.step_samples), lanes


def mix_source(mix: Mix) -> Source:
    """Return what the order must know of the mix."""
    ids, words, visual = mix.facts()
    return Source(len(mix), id_words(ids), np.asarray(words), np.asarray(visual))


def load_run_mix(run: Run) -> tuple[Mix | None, Mix | None]:
    """Return (what trains, what is held out) of the instruction mix; (None, None) without one.

    The held-out items are a fixed subset, the same for every seed and run.
    """
    blift = run.blift
    if not blift.mix_data:
        return None, None
    mix = load_mix(blift.mix_data, blift.mix_media, blift.max_missing_media)
    held: set[int] = set()
    words = id_words(mix.facts()[0])
    if run.training.eval_strategy != "no" and blift.mix_eval_samples > 0:
        asked = blift.mix_eval_samples
        count = round(asked * len(mix)) if asked < 1 else int(asked)
        held = set(subset(words, 1.0, min(count, len(mix) // 2)).tolist())
    kept = [place for place in range(len(mix)) if place not in held]
    if run.mix_alone and blift.fraction < 1:
        kept = [kept[place] for place in subset(words[kept], blift.fraction, None)]
    out = replace(mix, rows=[mix.rows[place] for place in sorted(held)])
    return replace(mix, rows=[mix.rows[place] for place in kept]), out if held else None


def check_measured(run: Run, posts: BehaviorRows | None, mix: Mix | None) -> None:
    """Raise DatasetProblem when the recipe evaluates and there is nothing to measure."""
    if run.training.eval_strategy != "no" and posts is None and mix is None:
        raise DatasetProblem(
            f"eval_strategy is {run.training.eval_strategy}, and nothing is held out: give "
            "--dataset with a split to measure on, or mix_eval_samples of the mix"
        )


def heldout_rows(run: Run) -> BehaviorRows | None:
    """Return the posts of the evaluation split; None when the recipe measures none.

    They are posts with all their turns, whatever the run's selection: every cell is measured alike.
    """
    if run.training.eval_strategy == "no" or not run.has_dataset:
        return None
    script, revision = run.script, run.blift.dataset_revision
    split = script.dataset_test_split
    rows = load_rows(run.dataset, script.dataset_config, split, revision, streaming=False)
    most = run.blift.eval_samples or None
    return behavior_rows(rows, Selection("all"), {"all": 1.0}, 0, 1.0, most)
