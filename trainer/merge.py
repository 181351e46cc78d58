"""A checkpoint -> a whole model folder, on a machine without an accelerator.

python -m trainer.merge checkpoints/run/checkpoint-4000 merged
"""

import argparse
import json
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from trainer.checkpoint import ModelProblem, copy_requirements, merge, put_in_place
from trainer.loop.resume import torn

ADAPTER = "adapter_config.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write OUT; 0 done, 1 failed with one message, 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.merge",
        description="Write a whole model folder from a checkpoint: adapters merged, code beside.",
        epilog="example:\n  python -m trainer.merge checkpoints/run/checkpoint-4000 merged",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint-N folder of a run")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--base", help="base model, if it is not where the run found it")
    parser.add_argument("--revision", help="commit of a Hub base model")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    try:
        written = write_whole(options.checkpoint, options.out, options.base, options.revision)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        if options.debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 1
    files = sorted(path.name for path in written.iterdir())
    print(json.dumps({"folder": str(written), "files": files}) if options.json else written)
    return 0


def write_whole(checkpoint: Path, out: Path, base: str | None, revision: str | None) -> Path:
    """Write the model of a checkpoint into a new folder; ModelProblem when it holds none."""
    if not checkpoint.is_dir():
        raise ModelProblem(f"checkpoint {str(checkpoint)!r}: no such folder")
    if why := torn(checkpoint):
        raise ModelProblem(f"checkpoint {str(checkpoint)!r} is torn: {why}; take an older one")
    if out.exists() and any(out.iterdir()):
        raise ModelProblem(f"{str(out)!r} is not empty: give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    aside = out / ".writing"
    if (checkpoint / ADAPTER).is_file():
        told = json.loads((checkpoint / ADAPTER).read_text(encoding="utf-8"))
        named = base or told["base_model_name_or_path"]
        merge(checkpoint, out, str(named), revision)
    elif any(checkpoint.glob("model*.safetensors")):
        shutil.copytree(checkpoint, aside)
        for name in ("optimizer*", "scheduler*", "rng_state*", "trainer_state*", "checkpoint.json"):
            for path in aside.glob(name):
                path.unlink()
        put_in_place(aside, out)
        shutil.rmtree(aside)
    else:
        raise ModelProblem(
            f"checkpoint {str(checkpoint)!r} holds neither adapters nor whole weights: with "
            "DeepSpeed's third stage set stage3_gather_16bit_weights_on_model_save"
        )
    if base:
        copy_requirements(base, out)
    carry(checkpoint, out)
    return out


def carry(checkpoint: Path, out: Path) -> None:
    """Copy the processor, the model's code and its requirements from a checkpoint."""
    for path in checkpoint.iterdir():
        processor = path.suffix in (".py", ".jinja", ".txt") or path.name.startswith(
            ("processor", "preprocessor", "tokenizer", "special_tokens", "qformer_tokenizer")
        )
        if processor and not (out / path.name).exists():
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, out / path.name)


if __name__ == "__main__":
    sys.exit(main())
