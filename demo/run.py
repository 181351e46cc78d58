"""The whole project on one small machine: raw dumps to a model that answers.

    python demo/run.py [--size nano|tiny] [--out build/demo]

Every step is one command of the kit, printed before it runs, so that each can be repeated alone.
The dumps are synthetic (written for this demo); pictures and clips are real, from installed
packages, named with their licences in OUT/media/MEDIA.md.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DUMPS = ROOT / "demo" / "dumps"
# what one recipe of each size needs: (recipe, held-out samples that are evaluated)
RECIPES = {"nano": ("demo.yaml", 8), "tiny": ("tiny.yaml", 2)}
# a sample this small needs exact shares: the default, by hash, would leave two items to test on
SPLITS = ("splits.method=quota", "splits.validation=0.1", "splits.test=0.25")
NOTICE = "shards.notice=Synthetic posts and comments, written for a demonstration; real media."
# what the impatient go without: reading texts in frames, and listening
QUICK = ("annotate.ocr=null", "annotate.asr=null")
# said in full, so that accelerate neither asks nor warns about a missing configuration
LAUNCH_ON_CPU = "--num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no --cpu"


class StepFailed(Exception):
    """A command of the demo ended with a non-zero exit code."""


@dataclass(frozen=True)
class StepCost:
    """What one step took: wall seconds and the peak resident memory of its largest process, GiB."""

    name: str
    seconds: float
    peak_gib: float


def run_step(name: str, why: str, command: list[str | Path], cwd: Path = ROOT) -> StepCost:
    """Explain a step, run its command with the output passed through, and measure it.

    Raises: StepFailed naming the command and its exit code.
    """
    words = [str(word) for word in command]
    shown = " ".join(Path(words[0]).name if i == 0 else w for i, w in enumerate(words))
    print(f"\n\033[1m== {name}\033[0m\n{why}\n$ {shown.replace(f'{ROOT}/', '')}", flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(words, cwd=cwd, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise StepFailed(f"step '{name}' ended with exit code {code}; run it alone: {shown}")
    return StepCost(name, time.perf_counter() - started, usage.ru_maxrss / 2**20)


def command_of(name: str) -> str:
    """Path of a console script that was installed beside the running Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise StepFailed(f"{path} is missing: run `make install` first")
    return str(path)


def build_dataset(out: Path, size: str) -> list[StepCost]:
    """Collect the demo's media, then build the dataset from dumps and media."""
    media, build = out / "media", out / "blift"
    return [
        run_step(
            "media",
            "Real pictures and clips from installed packages stand in for a download.",
            [sys.executable, ROOT / "demo" / "media.py", "--out", media],
        ),
        run_step(
            "dataset",
            "Dumps -> posts and comments kept by the paper's rules (every drop has one reason)\n"
            "-> scenes, captions, colours -> instruction turns -> WebDataset shards, manifest.",
            [
                *(command_of("blift"), "build", "--preset", "seed", "--set", *SPLITS, NOTICE),
                *(QUICK if size == "tiny" else ()),
                *("--reddit-submissions", DUMPS / "reddit_submissions.zst"),
                *("--reddit-comments", DUMPS / "reddit_comments.zst"),
                *("--youtube", DUMPS / "youtube.jsonl.gz"),
                *("--media", media, "--out", build),
            ],
        ),
    ]


def load_both_ways(release: Path) -> dict[str, int]:
    """Load the release folder with `datasets`, map-style and streaming; both must agree.

    Returns: rows per split.
    """
    from datasets import load_dataset

    print(f'\n\033[1m== load\033[0m\nload_dataset("{release}"), normal and streaming:')
    print("the same ids either way.", flush=True)
    loaded = load_dataset(str(release))
    for split, table in loaded.items():
        streamed = load_dataset(str(release), split=split, streaming=True)
        first = [row["json"]["id"] for row in streamed]
        if first != [row["id"] for row in table["json"]]:
            raise StepFailed(f"split '{split}': streaming and map-style loading disagree")
        print(f"  {split:<11}{table.num_rows:>4} rows  columns {', '.join(table.column_names)}")
    return {split: table.num_rows for split, table in loaded.items()}


def evaluate(out: Path, model: Path, name: str, limit: int) -> StepCost:
    """Comment perplexity and percent-liked error of a model folder on the held-out split."""
    return run_step(
        f"evaluate {name}",
        "Comment perplexity and percent-liked error on items the model never trained on.",
        [
            *(sys.executable, "-m", "trainer.evaluation", "behavior", "--model", model),
            *("--dataset", out / "blift" / "release", "--split", "test", "--limit", str(limit)),
            *("--out", out / f"results-{name}.json"),
        ],
    )


def train(out: Path, size: str) -> list[StepCost]:
    """Assemble the base model, evaluate it, train it with the recipe, evaluate again."""
    recipe, limit = RECIPES[size]
    base, model = out / "base", out / "model"
    costs = [
        run_step(
            "base model",
            "Put LlavaVid together from pretrained parts (nano) or random ones (tiny).",
            [sys.executable, ROOT / "model_card" / "assemble.py", "--size", size, "--out", base],
        ),
        evaluate(out, base, "before", limit),
    ]
    shutil.rmtree(model, ignore_errors=True)
    costs.append(
        run_step(
            "train",
            "The same command trains the full model from Hub ids with trainer/recipes/blift.yaml.",
            [
                *(command_of("accelerate"), "launch", *LAUNCH_ON_CPU.split()),
                *("trainer/sft.py", "--config", f"trainer/recipes/{recipe}"),
                *("--dataset", out / "blift" / "release"),
                *("--model_name_or_path", base, "--output_dir", model),
            ],
        )
    )
    return [*costs, evaluate(out, model, "after", limit)]


def held_out_media(release: Path, folder: Path) -> list[tuple[Path, str]]:
    """Write one held-out picture and one held-out video to files; return (path, title) of each."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, tuple[Path, str]] = {}
    rows = (row for part in ("test", "validation", "train") for row in rows_of(release, part))
    for row in rows:
        meta = row["json"]
        kind = meta["media_type"]
        if kind in chosen:
            continue
        path = folder / (f"{meta['id']}.mp4" if kind == "video" else f"{meta['id']}.jpg")
        path.write_bytes(row["mp4"]["bytes"] if kind == "video" else row["jpg"]["bytes"])
        chosen[kind] = (path, meta["title"])
    return [chosen[kind] for kind in ("image", "video") if kind in chosen]


def rows_of(release: Path, split: str) -> list[dict]:
    """Rows of a split with media left as bytes, or nothing where the split is absent."""
    from datasets import Image, load_dataset

    if not list((release / "data").glob(f"{split}-*.tar")):
        return []
    return list(load_dataset(str(release), split=split).cast_column("jpg", Image(decode=False)))


def ask(out: Path, size: str) -> StepCost:
    """Let a fresh process in another directory load the model folder and answer."""
    elsewhere = out / "elsewhere"
    asked = held_out_media(out / "blift" / "release", elsewhere)
    words: list[str | Path] = [sys.executable, ROOT / "demo" / "answer.py"]
    words += ["--model", out / "model", "--max_new_tokens", "120" if size == "nano" else "24"]
    for path, title in asked:
        words += ["--media", path, "--title", title]
    why = "A fresh process elsewhere loads the folder with AutoModel(..., trust_remote_code=True)."
    return run_step("answer", why, words, cwd=elsewhere)


def results_of(path: Path) -> dict[str, dict]:
    """Task and metric -> row of a results.json."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {f"{row['task']} {row['metric']}": row for row in rows}


def shown(value: float | None) -> str:
    """A number with three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def verdict(row: dict) -> str:
    """In words, whether a measured row beats a predictor that does not look."""
    value, chance = row["value"], row["chance"]
    if value is None:
        return "no answer could be read"
    if chance is None:
        return ""
    better = value > chance if row["metric"] == "r2" else value < chance
    words = "better than" if better else "no better than"
    if row["unparsed"]:
        words = f"on the {row['n'] - row['unparsed']} read, {words}"
    return f"{words} always answering the training mean"


def print_measures(before: dict[str, dict], after: dict[str, dict]) -> None:
    """Held-out numbers before and after training, each with its n, unparsed answers and chance."""
    width = max(len(key) for key in after)
    heads = f"{'before':>10}{'after':>10}{'chance':>10}{'n':>4}{'unparsed':>10}"
    print(f"\n  {'held-out metric':<{width}}{heads}")
    for key, row in after.items():
        numbers = (before[key]["value"] if key in before else None, row["value"], row["chance"])
        cells = "".join(f"{shown(number):>10}" for number in numbers)
        print(f"  {key:<{width}}{cells}{row['n']:>4}{row['unparsed']:>10}  {verdict(row)}")


def report(out: Path, rows: dict[str, int], costs: list[StepCost]) -> None:
    """Print what was built, what it measures before and after, and what each step cost."""
    release = out / "blift" / "release"
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    size = sum(entry["bytes"] for entry in manifest["files"])
    print("\n\033[1m== what was built\033[0m")
    print(f"  dataset   {release}  {sum(rows.values())} samples, {size / 2**20:.1f} MiB")
    print(f"            Merkle root {manifest['root']}")
    print(f"  funnel    {out / 'blift' / 'funnel.png'}")
    print(f"  model     {out / 'model'}")
    before, after = (results_of(out / f"results-{name}.json") for name in ("before", "after"))
    print_measures(before, after)
    print(f"\n  {'step':<18}{'seconds':>8}{'peak GiB':>10}")
    for cost in costs:
        print(f"  {cost.name:<18}{cost.seconds:>8.0f}{cost.peak_gib:>10.2f}")
    peak = max(*(cost.peak_gib for cost in costs), own_peak_gib())
    print(f"  {'all':<18}{sum(cost.seconds for cost in costs):>8.0f}{peak:>10.2f}")
    print("\nOpen the Space on this model:\n")
    command = f"{sys.executable} space/app.py --model {out / 'model'}"
    print(f"  {command.replace(f'{ROOT}/', '')}\n")


def own_peak_gib() -> float:
    """Peak resident memory of this process, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> int:
    """Run the demo; exit 0 when every step ended well, 1 with one clear message otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(RECIPES), default="nano")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    # nothing in the demo may reach for a hub or fill the user's cache
    os.environ.update(HF_HUB_OFFLINE="1", HF_HOME=str(out / "hf-cache"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # notes of the libraries to their own developers
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning,ignore::DeprecationWarning")
    try:
        costs = build_dataset(out, args.size)
        rows = load_both_ways(out / "blift" / "release")
        costs += train(out, args.size)
        costs.append(ask(out, args.size))
        report(out, rows, costs)
    except StepFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
