"""Table 9 from one set of shards: every selection trained and measured, one command.

python -m trainer.ablate --config trainer/recipes/tiny.yaml --out build/ablation --dry-run
"""

import argparse
import json
import shlex
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from trainer.data.rows import DatasetProblem, load_rows
from trainer.data.selections import SELECTIONS, of_form
from trainer.planning.ablation_table import write_table
from trainer.provenance import write_json
from trainer.summary import MANIFEST

HERE = Path(__file__).resolve().parent
SINGLE = HERE / "recipes" / "accelerate" / "single.yaml"
# by module: the console script need not be on the path of whoever types this
LAUNCH = shlex.join(
    [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(SINGLE)]
)
# sampling ratios: the paper tried several and names 1:1 the best; these are ours
SWEEP = (0.1, 0.25, 0.5, 0.75, 0.9)
EXAMPLE = """example:
  python -m trainer.ablate --config trainer/recipes/blift_7b_lora.yaml --dataset build/release \\
      --out build/ablation --seeds 0 1 2 --launch "accelerate launch --config_file my.yaml"
"""


@dataclass(frozen=True)
class Cell:
    """One run: its name, and what it sets beyond the recipe."""

    name: str
    words: tuple[str, ...]
    seed: int
    config: str | None = None  # of the release, which may not be there

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.name}-seed{self.seed}"


@dataclass
class Request:
    """What one ablation was asked for."""

    recipe: Path
    out: Path
    dataset: str
    cells: list[Cell]
    launch: list[str]
    words: list[str]
    split: str
    absent: dict[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells, write the table; 0 done, 1 a cell failed, 2 wrong usage, 130 interrupted."""
    options, words = parser().parse_known_args(arguments)
    try:
        asked = read_request(options, [word for word in words if word != "--"])
        if options.dry_run:
            found: Any = plan(asked)
            print(json.dumps(found) if options.json else plan_text(found))
            return 0
        found, failed = run_cells(asked)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        if options.debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found))
    for name, why in failed.items():
        print(f"error: cell {name}: {why}", file=sys.stderr)
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    """Return the command line; further words go to every cell's sft.py."""
    made = argparse.ArgumentParser(
        prog="python -m trainer.ablate",
        description="Train and measure every selection, and write Table 9. Interrupted, the same "
        "line goes on; further options are passed to sft.py.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--config", required=True, type=Path, help="recipe of every cell")
    made.add_argument("--out", required=True, type=Path, help="folder for cells and table")
    made.add_argument("--dataset", help="release folder or Hub id (default: the recipe's)")
    made.add_argument("--cells", nargs="+", metavar="NAME", help="only these (see --dry-run)")
    made.add_argument("--seeds", nargs="+", type=int, default=[0], help="a run per seed")
    made.add_argument("--split", default="test", help="held-out split that is measured")
    made.add_argument("--launch", default=LAUNCH, help="what starts sft.py (quoted)")
    made.add_argument("--dry-run", action="store_true", help="list cells: tokens, hours, memory")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def read_request(options: argparse.Namespace, words: list[str]) -> Request:
    """Return the request with its cells; ValueError for a cell that there is not."""
    recipe = yaml.safe_load(options.config.read_text(encoding="utf-8")) or {}
    dataset = options.dataset or recipe.get("dataset")
    if not dataset:
        raise DatasetProblem("no dataset: give --dataset FOLDER or a Hub id")
    every = cells(options.seeds, mixed=bool(recipe.get("mix_data")) or "--mix_data" in words)
    names = list(dict.fromkeys(cell.name for cell in every))
    unknown = sorted(set(options.cells or ()) - set(names))
    if unknown:
        raise ValueError(f"--cells {unknown}: expected some of {names}")
    chosen = [cell for cell in every if not options.cells or cell.name in options.cells]
    asked = Request(
        options.config, options.out, dataset, chosen, shlex.split(options.launch), words,
        options.split,
    )  # fmt: skip
    asked.absent = absent_configs(asked)
    return asked


def cells(seeds: Sequence[int], *, mixed: bool) -> list[Cell]:
    """Return every cell: the base, each selection, and the sampling ratios where there is a mix."""
    found = [Cell("base", (), 0)]
    for seed in seeds:
        for name, chosen in SELECTIONS.items():
            # its turns said in full: a recipe's own task_mix would win over the selection's
            words = ("--selection", name, "--task_mix", chosen.task_mix)
            found.append(Cell(name, words, seed, chosen.config))
        for share in SWEEP if mixed else ():
            found.append(Cell(f"p_behavior-{share}", ("--p_behavior", str(share)), seed))
    return found


def absent_configs(asked: Request) -> dict[str, str]:
    """Return {cell: why} of the cells whose config the release does not have."""
    found: dict[str, str] = {}
    for cell in asked.cells:
        if cell.config is None or cell.name in found:
            continue
        try:
            rows = load_rows(asked.dataset, cell.config, "train", None, streaming=True)
            wanted = SELECTIONS[cell.name].form
            first = next(iter(rows.iter(batch_size=1)))["json"][0]
            if not of_form(first["turns"], wanted):
                found[cell.name] = f"{cell.config} was built in the other form than {wanted}"
        except (ValueError, StopIteration) as error:
            found[cell.name] = f"no config {cell.config}: {str(error).splitlines()[0]}"
    return found


def sft_words(asked: Request, cell: Cell) -> list[str]:
    """Return the words of sft.py for a cell."""
    return [
        *("--config", str(asked.recipe), "--dataset", asked.dataset),
        *(*asked.words, *cell.words, "--seed", str(cell.seed)),
        *("--output_dir", str(asked.out / "cells" / cell.folder)),
    ]


def plan(asked: Request) -> list[dict[str, Any]]:
    """Return what every cell would take, from `trainer.estimate`."""
    from trainer import estimate

    found = []
    for cell in asked.cells:
        row: dict[str, Any] = {"cell": cell.name, "seed": cell.seed}
        if cell.name in asked.absent:
            row["not_run"] = asked.absent[cell.name]
        elif cell.name != "base":
            words = ["--config", str(asked.recipe), "--dataset", asked.dataset]
            options, _ = estimate.parser().parse_known_args(words)
            facts = estimate.estimate(options, [*asked.words, *cell.words])
            row |= {name: facts[name] for name in ("samples", "steps", "tokens", "hours")}
            row["memory_gib"] = facts["memory_per_rank"]["total"]
            row["assumed"] = facts["assumed"]
        found.append(row)
    return found


def plan_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the plan for people."""
    lines = [f"{'cell':<28}{'seed':>5}{'steps':>9}{'tokens':>15}{'hours':>9}{'GiB':>8}"]
    for row in rows:
        head = f"{row['cell']:<28}{row['seed']:>5}"
        if "not_run" in row:
            lines.append(f"{head}  not run: {row['not_run']}")
        elif "steps" not in row:
            lines.append(f"{head}  measured only")
        else:
            cost = f"{row['steps']:>9,}{row['tokens']:>15,}{row['hours']:>9,.2f}"
            lines.append(f"{head}{cost}{row['memory_gib']:>8,.1f}")
    assumed = dict.fromkeys(line for row in rows for line in row.get("assumed", ()))
    return "\n".join([*lines, *(f"assumed: {line}" for line in assumed)])


def run_cells(asked: Request) -> tuple[dict[str, Any], dict[str, str]]:
    """Train and measure what is not yet done, writing the table after every cell."""
    failed: dict[str, str] = {}
    found: dict[str, Any] = {}
    for cell in tqdm(asked.cells, desc="cells", unit="cell", file=sys.stderr):
        if cell.name not in asked.absent:
            why = run_cell(asked, cell)
            if why:
                failed[cell.folder] = why
        found = write_table(asked.out, [(c.name, c.folder) for c in asked.cells], asked.absent)
    return found, failed


def run_cell(asked: Request, cell: Cell) -> str:
    """Train and measure one cell, unless it is done; return why it failed, or nothing."""
    folder = asked.out / "cells" / cell.folder
    results = asked.out / "results" / f"{cell.folder}.json"
    if results.is_file():
        return ""
    model = folder
    if cell.name == "base":
        model = Path(base_of(asked))
    elif not (folder / MANIFEST).is_file():
        command = [*asked.launch, str(HERE / "sft.py"), *sft_words(asked, cell)]
        if code := logged(command, asked.out / "logs" / f"{cell.folder}.train.log"):
            return f"training ended with {code}: see {asked.out}/logs/{cell.folder}.train.log"
    part = results.with_suffix(".part.json")
    part.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "trainer.evaluation", "behavior", "--model", str(model),
               "--dataset", asked.dataset, "--split", asked.split, "--out", str(part)]  # fmt: skip
    if code := logged(command, asked.out / "logs" / f"{cell.folder}.evaluate.log"):
        return f"evaluation ended with {code}: see {asked.out}/logs/{cell.folder}.evaluate.log"
    write_json(results, json.loads(part.read_text(encoding="utf-8")))
    part.unlink()
    return ""


def base_of(asked: Request) -> str:
    """Return the model that the cells start from."""
    if "--model_name_or_path" in asked.words:
        return asked.words[asked.words.index("--model_name_or_path") + 1]
    return str(yaml.safe_load(asked.recipe.read_text(encoding="utf-8"))["model_name_or_path"])


def logged(command: Sequence[str], log: Path) -> int:
    """Run a command with its output in a file; its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
