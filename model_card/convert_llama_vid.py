"""Converts a released LLaMA-VID folder into a LlavaVid folder (safetensors, loads with Auto*).

    python convert_llama_vid.py llama-vid-7b-full-224-video-fps-1 out
    python convert_llama_vid.py stage1-adapter out --base vicuna-7b-v1.5 --vision-tower eva.pth

Every source tensor is mapped or dropped for a reason (conversion_report.json); one that is left
over is a failure and nothing is written. --verify runs the source weights through a plain
implementation of the original formulas and compares logits with the written folder.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DTYPES = ("bfloat16", "float16", "float32")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="LLaMA-VID folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--base", type=Path, help="language model of a stage-1 adapter")
    parser.add_argument("--vision-tower", type=Path, help="eva_vit_g.pth, where SRC has no tower")
    parser.add_argument("--bert", help="bert-base-uncased: folder or Hub id (Q-Former tokenizer)")
    parser.add_argument("--vision-heads", type=int, help="attention heads of an unusual tower")
    parser.add_argument("--qformer-heads", type=int, help="attention heads of an unusual Q-Former")
    parser.add_argument("--dtype", choices=DTYPES, help="default: as in the source")
    parser.add_argument("--verify", action="store_true", help="compare logits with the source")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(given)


def run(chosen: argparse.Namespace) -> dict[str, object]:
    """The summary of the conversion, with `logits_difference` after --verify."""
    if str(HERE) not in sys.path:  # the workshop lies beside this file, wherever it is run from
        sys.path.insert(0, str(HERE))
    # imported late: the libraries take seconds, `--help` and wrong usage need none of them
    import torch
    from converting import convert, sources, verify

    request = sources.Request(
        source=chosen.source,
        out=chosen.out,
        base=chosen.base,
        vision_tower=chosen.vision_tower,
        bert=chosen.bert,
        vision_heads=chosen.vision_heads,
        qformer_heads=chosen.qformer_heads,
        dtype=getattr(torch, chosen.dtype) if chosen.dtype else None,
    )
    summary: dict[str, object] = convert.convert(request)
    if chosen.verify:
        summary["logits_difference"] = verify.verify(request)
    return summary


def main(given: Sequence[str] | None = None) -> int:
    """0: converted (and verified); 1: one line on stderr says why not; 130: interrupted."""
    chosen = arguments(given)
    try:
        summary = run(chosen)
    except (ModuleNotFoundError, OSError, ValueError, KeyError) as error:
        if chosen.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; convert again, from the start", file=sys.stderr)
        return 130
    for name, value in summary.items():
        print(f"{name}: {value}", file=sys.stderr)
    if chosen.json:
        print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
