"""`compare A B`: two models on the same items, joined by id; paired intervals and tests, Holm."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer.evaluation.inputs.predictions import json_lines
from trainer.evaluation.results import items_path, read_results, write_json
from trainer.evaluation.scoring.outcome import MEAN, PERPLEXITY, RANK, Outcome, statistic
from trainer.evaluation.stats.bootstrap import RESAMPLES
from trainer.evaluation.stats.families import holm
from trainer.evaluation.stats.paired import (
    PERMUTATIONS,
    Permutation,
    difference_interval,
    mcnemar,
    rank_swaps,
    sign_flip,
    swap_test,
)
from trainer.evaluation.stats.statistics_of import cluster_codes

SWAPS = 1_000
EXAMPLE = """example:
  python -m trainer.evaluation compare behavior_llava.json llama_vid.json --out difference.json
"""


@dataclass(frozen=True)
class Difference:
    """One cell of A minus B. p: permutation over clusters; p_holm: over the table's cells."""

    task: str
    cell: str
    table: int
    n: int
    clusters: int
    a: float
    b: float
    difference: float
    interval: list[float] | None
    p: float
    exact: bool
    p_holm: float | None
    mcnemar: float | None
    discordant: list[int] | None
    higher_is_better: bool
    left_out: int


def add_command(commands: Any) -> None:
    """Add `compare` to the evaluation's commands."""
    parser = commands.add_parser(
        "compare",
        help="paired differences of two results.json",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, help="results.json of A")
    parser.add_argument("b", type=Path, help="results.json of B")
    parser.add_argument("--out", type=Path, help="write the differences as JSON")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the differences; ValueError where A and B share no cell."""
    found = differences(options.a, options.b, options.resamples, options.seed)
    rows = [asdict(row) for row in found]
    if options.out:
        write_json(options.out, rows)
    if options.json:
        print(json.dumps(rows))
    else:
        print_differences(found)


def differences(a: Path, b: Path, resamples: int = RESAMPLES, seed: int = 0) -> list[Difference]:
    """A minus B in every cell that both measured."""
    rows = {(r["task"], r["cell"]): r for r in read_results(a)}
    others = {(r["task"], r["cell"]): r for r in read_results(b)}
    first, second = read_items(items_path(a)), read_items(items_path(b))
    shared = [key for key in rows if key in others and key in first and key in second]
    if not shared:
        raise ValueError(f"{a} and {b} share no cell with items beside them")
    found = []
    for key in shared:
        if rows[key]["version"] != others[key]["version"]:
            raise ValueError(
                f"{key[0]}: version {rows[key]['version']} in {a}, {others[key]['version']} in "
                f"{b}: predict again with one version"
            )
        made = _cell(rows[key], first[key], second[key], resamples, seed)
        if made is not None:
            found.append(made)
    return with_holm(found)


def read_items(path: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Items by (task, cell); ValueError without the file `score` writes beside results.json."""
    if not path.is_file():
        raise ValueError(f"{path} is not there: `score` writes it beside results.json, keep both")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, row in json_lines(path):
        found.setdefault((row["task"], row["cell"]), []).append(row)
    return found


def _outcome(items: Sequence[dict[str, Any]]) -> Outcome:
    guess = np.array([np.nan if r["guess"] is None else r["guess"] for r in items], float)
    if items[0]["unparsed_is_wrong"]:
        guess = np.nan_to_num(guess, nan=0.0)
    truth = [r["truth"] for r in items]
    return Outcome(
        items[0]["cell"],
        items[0]["how"],
        [r["id"] for r in items],
        [r["cluster"] for r in items],
        guess,
        truth=None if truth[0] is None else np.array(truth, float),
        splits=[tuple(r["splits"]) for r in items] if "splits" in items[0] else None,
    )


def _cell(
    row: dict[str, Any],
    first: list[dict[str, Any]],
    second: list[dict[str, Any]],
    resamples: int,
    seed: int,
) -> Difference | None:
    """One cell on the items both have (accuracies: unparsed is wrong; else: both parsed)."""
    if row["interval"] is None and row["n"] > row["unparsed"] and row["resamples"] is None:
        return None  # a value that is no mean, rho or R2 of its items
    kept = _pairs(first, second)
    if len(kept) < 2:
        return None
    a, b = _outcome([x for x, _ in kept]), _outcome([y for _, y in kept])
    (of_a, clusters, items), (of_b, _, _) = statistic(a), statistic(b)
    ones = np.ones((1, clusters))
    value_a, value_b = float(np.nan_to_num(of_a(ones)[0])), float(np.nan_to_num(of_b(ones)[0]))
    spread = difference_interval(of_a, of_b, clusters, resamples=resamples, seed=seed, items=items)
    test, exact_p, discordant = _tests(a, b, seed)
    return Difference(
        task=row["task"],
        cell=row["cell"],
        table=row["table"],
        n=len(kept),
        clusters=clusters,
        a=value_a,
        b=value_b,
        difference=value_a - value_b,
        interval=[spread.low, spread.high] if spread else None,
        p=test.p,
        exact=test.exact,
        p_holm=None,
        mcnemar=exact_p,
        discordant=discordant,
        higher_is_better=row["higher_is_better"],
        left_out=len(first) + len(second) - 2 * len(kept),
    )


def _pairs(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    by_id = {r["id"]: r for r in second}
    pairs = [(r, by_id[r["id"]]) for r in first if r["id"] in by_id]
    wrong = first[0]["unparsed_is_wrong"]
    return [(x, y) for x, y in pairs if wrong or None not in (x["guess"], y["guess"])]


def _tests(a: Outcome, b: Outcome, seed: int) -> tuple[Permutation, float | None, list[int] | None]:
    codes, clusters = cluster_codes(a.clusters)
    if a.how == MEAN:
        sums = np.bincount(codes, a.guess - b.guess, clusters)
        test = sign_flip(sums, permutations=PERMUTATIONS, seed=seed)
        if not set(np.unique(np.concatenate([a.guess, b.guess]))) <= {0.0, 1.0}:
            return test, None, None
        p, counts = mcnemar(a.guess, b.guess)
        return test, p, list(counts)

    if a.how == RANK:
        assert a.truth is not None
        return rank_swaps(a.truth, a.guess, b.guess, codes, clusters, SWAPS, seed), None, None
    return swap_test(_swapper(a, b, codes), clusters, permutations=SWAPS, seed=seed), None, None


def _swapper(a: Outcome, b: Outcome, codes: np.ndarray) -> Callable[[np.ndarray], float]:
    """The difference of two statistics after the clusters of a mask changed sides."""

    def difference(mask: np.ndarray) -> float:
        swap, pair = mask[codes], []
        for own, other in ((a, b), (b, a)):
            truth = own.truth
            if own.how == PERPLEXITY and own.truth is not None and other.truth is not None:
                truth = np.where(swap, other.truth, own.truth)  # tokens go with their model
            guess = np.where(swap, other.guess, own.guess)
            mixed = replace(own, guess=guess, truth=truth)
            made, count, _ = statistic(mixed)
            pair.append(float(np.nan_to_num(made(np.ones((1, count)))[0])))
        return pair[0] - pair[1]

    return difference


def with_holm(found: Sequence[Difference]) -> list[Difference]:
    """Adjusted over the planned cells of each table: those that the paper's table holds."""
    adjusted: dict[int, float] = {}
    for table in {row.table for row in found if row.table}:
        places = [i for i, row in enumerate(found) if row.table == table]
        for place, p in zip(places, holm([found[i].p for i in places]), strict=True):
            adjusted[place] = p
    return [Difference(**{**asdict(row), "p_holm": adjusted.get(i)}) for i, row in enumerate(found)]


def print_differences(found: Sequence[Difference]) -> None:
    """Print the differences to stdout, one line each."""
    print(
        f"{'task':<24}{'cell':<14}{'A':>9}{'B':>9}{'A - B':>9}{'95 % interval':>21}{'p':>9}"
        f"{'Holm':>8}{'McNemar':>9}{'n':>7}{'clusters':>9}"
    )
    for row in found:
        spread = "" if row.interval is None else "{:+.4f} … {:+.4f}".format(*row.interval)
        adjusted = "" if row.p_holm is None else f"{row.p_holm:.4f}"
        exact = "" if row.mcnemar is None else f"{row.mcnemar:.4f}"
        print(
            f"{row.task:<24}{row.cell:<14}{row.a:>9.4f}{row.b:>9.4f}{row.difference:>+9.4f}"
            f"{spread:>21}{row.p:>9.4f}{adjusted:>8}{exact:>9}{row.n:>7}{row.clusters:>9}"
        )
    if left := sum(row.left_out for row in found):
        print(
            f"{left} items of one model alone, or unparsed in one, were left out", file=sys.stderr
        )
