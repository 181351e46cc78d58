"""Supervised fine-tuning of LlavaVid on BLIFT, alone or mixed with the original instruction data.

accelerate launch trainer/sft.py --config trainer/recipes/demo.yaml --dataset build/release \\
    --model_name_or_path build/base --output_dir build/model

The same line starts a run and, after a kill, goes on with it from its newest whole checkpoint.
"""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

if not __package__:
    # Run as a file, Python puts trainer/ first on the path: there our modules could shadow a
    # library's, and `trainer` itself could be somebody else's. Put the repository there instead.
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() != _HERE)]

from trl import ModelConfig, ScriptArguments, SFTConfig, TrlParser

from trainer.arguments import BliftArguments, Run
from trainer.callbacks import TERMINATED, StopOnSignal
from trainer.checkpoint import check_base, load_base, save_model
from trainer.data.collator import Collator
from trainer.data.prepare import check_measured, heldout_rows, load_run_mix, training_data, turn_mix
from trainer.freezing import adapter_config, freeze, parameter_table, release_bare, table_text
from trainer.loop.heldout import HeldOut
from trainer.loop.options import given_options, set_threads, settle, split_debug
from trainer.loop.report import write_report
from trainer.loop.resume import identity, resume_point
from trainer.loop.steps import Trainer
from trainer.summary import check_trained, data_revision, summarise, write_results


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one recipe; 0 done, 1 failed with one message, 2 wrong usage, 130 or 143 ended."""
    words, debug = split_debug(sys.argv[1:] if arguments is None else arguments)
    classes = (ScriptArguments, SFTConfig, ModelConfig, BliftArguments)
    parser = TrlParser(classes, epilog=__doc__, allow_abbrev=False)
    try:
        run = Run(*parser.parse_args_and_config(words))
    except (ValueError, OSError, TypeError) as error:
        return fail(error, 2, debug)
    try:
        with StopOnSignal() as stop:
            return train(run, words, stop)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the command line's contract: one clear message
        return fail(error, 1, debug)


def train(run: Run, words: list[str], stop: StopOnSignal) -> int:
    """Load, mix, train and save; 0 when done, 143 when SIGTERM ended it after a checkpoint."""
    settle(run, given_options(words))
    set_threads(run.blift.cpu_threads, run.training.world_size)
    check_base(run.model, run.training.trust_remote_code)
    mix, held_mix = load_run_mix(run)
    data, posts = training_data(run, mix), heldout_rows(run)
    check_measured(run, posts, held_mix)
    same = identity(run, data_revision(run))
    checkpoint = resume_point(run, same)
    model, processor = load_base(
        run.model, run.training.trust_remote_code, run.training.model_init_kwargs
    )
    freeze(model, run.blift.freeze)
    blift, training = run.blift, run.training
    collator = Collator(
        processor, turn_mix(run), run.data_seed, blift.max_tokens, blift.over_budget
    )
    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=data.stand_in,
        eval_dataset=data.stand_in if training.eval_strategy != "no" else None,
        processing_class=processor,
        data_collator=collator,
        peft_config=adapter_config(run.model, blift.freeze),
        callbacks=[stop],
    )
    release_bare(trainer.model, blift.freeze)
    collator.always_visual = trainer.is_deepspeed_enabled
    trainer.give(data, same, blift.max_missing_media)
    if posts is not None or held_mix is not None:
        size = training.per_device_eval_batch_size
        trainer.heldout = HeldOut(posts or [], held_mix, blift.eval_answers, size, stop.agreed)
    table = parameter_table(trainer.model)
    if trainer.is_world_process_zero():
        print(table_text(table), flush=True)
    trainer.run(checkpoint)
    if stop.stopped:
        return TERMINATED
    summary = summarise(run, trainer, table, mix.unusable if mix else {})
    check_trained(summary, blift.max_tokens)
    save_model(trainer, processor, Path(training.output_dir), run.model)
    if trainer.is_world_process_zero():
        write_report(Path(training.output_dir), summary)
        write_results(run, summary, words)
    return 0


def fail(error: Exception, code: int, debug: bool) -> int:
    """Print one message to stderr and return the exit code."""
    if debug:
        traceback.print_exception(error)
    expected = isinstance(error, ValueError | OSError)
    text = str(error) if expected else f"{type(error).__name__}: {error} (see it with --debug)"
    print(f"error: {text}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
