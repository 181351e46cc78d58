"""The model card: what was trained on what, and measured numbers with the run behind each."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from release.cards.dataset import BIBTEX
from release.cards.front_matter import HUB_ID, join_card
from release.cards.privacy import NOT_RUN, regurgitation_text
from release.cards.render import number, render

NOT_MEASURED = "not measured"
RUN_SHOWN = 12
LICENSE = "apache-2.0"


@dataclass(frozen=True)
class ModelFacts:
    """What one model card is made of."""

    training: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
    before: Sequence[Mapping[str, Any]]
    clean: Sequence[Mapping[str, Any]]
    paper: Mapping[str, float]
    repository: str
    dataset: str
    dataset_revision: str  # the published commit, else the Merkle root of the build
    version: str
    notice: str | None
    regurgitation: Mapping[str, Any] | None


def model_card(facts: ModelFacts) -> str:
    """README.md of a model."""
    return join_card(front_matter(facts), render("model.md.jinja", _values(facts)))


def front_matter(facts: ModelFacts) -> dict[str, Any]:
    """The YAML block; model-index holds our own measured numbers, never marked as verified."""
    block: dict[str, Any] = {
        "license": LICENSE,
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "language": ["en"],
        "datasets": [facts.dataset],
        "tags": ["video", "llava_vid", "custom_code", "arxiv:2405.00942"],
    }
    base = str(facts.training.get("base_model") or "")
    if HUB_ID.match(base) and not base.startswith("local/"):
        block |= {"base_model": base, "base_model_relation": "finetune"}
    found = [_eval_result(row, facts) for row in facts.results if row.get("value") is not None]
    if found:
        name = facts.repository.rpartition("/")[2]
        block["metrics"] = sorted({str(row["metric"]) for row in facts.results})
        block["model-index"] = eval_results_to_model_index(name, found)
    return block


def _eval_result(row: Mapping[str, Any], facts: ModelFacts) -> EvalResult:
    revision = row.get("dataset_revision")
    return EvalResult(
        task_type="image-text-to-text",
        dataset_type=facts.dataset,
        dataset_name=str(row["task"]),
        dataset_config="default",
        dataset_split="test",
        dataset_revision=str(revision) if revision else None,
        metric_type=str(row["metric"]),
        metric_name=f"{row['task']} {row['metric']}",
        metric_value=row["value"],
        metric_args={"n": row["n"], "interval": row["interval"], "run_id": row["run_id"]},
    )


def _values(facts: ModelFacts) -> dict[str, Any]:
    training, settings = facts.training, facts.training.get("settings") or {}
    versions = training.get("versions") or {}
    return {
        "title": facts.repository.rpartition("/")[2],
        "notice": facts.notice,
        "repository": facts.repository,
        "version": facts.version,
        "dataset": facts.dataset,
        "dataset_revision": facts.dataset_revision,
        "base_model": training.get("base_model"),
        "base_revision": training.get("base_revision"),
        "code_commit": training.get("code_commit"),
        **{
            name: training.get(name)
            for name in (
                "parameters",
                "parameters_trained",
                "steps",
                "samples_seen",
                "epochs",
                "seconds",
                "samples_dropped",
                "seed",
                "world_size",
            )
        },
        "learning_rate": settings.get("learning_rate"),
        "batch": _batch(settings, training),
        "peak_memory": training.get("peak_memory_bytes"),
        "energy": _energy(training),
        "versions": ", ".join(f"{name} {v}" for name, v in sorted(versions.items()) if v),
        "reproduce": reproduce(facts),
        "results": [_row(row, facts) for row in facts.results],
        "regurgitation": NOT_RUN
        if facts.regurgitation is None
        else regurgitation_text(facts.regurgitation),
        "licence_note": " and the weights; the base model's own licence goes on to apply to its "
        "parts",
        "bibtex": BIBTEX,
    }


def _batch(settings: Mapping[str, Any], training: Mapping[str, Any]) -> int | None:
    single = settings.get("per_device_train_batch_size")
    if single is None:
        return None
    return (
        int(single)
        * int(settings.get("gradient_accumulation_steps") or 1)
        * int(training.get("world_size") or 1)
    )


def _energy(training: Mapping[str, Any]) -> str:
    """Energy as the training run measured it; never guessed from time and a data sheet."""
    for name in ("energy_kwh", "energy"):
        if training.get(name) is not None:
            return f"{training[name]} kWh" if name == "energy_kwh" else str(training[name])
    return NOT_MEASURED


def reproduce(facts: ModelFacts) -> str:
    """One command that trains it again from exact revisions."""
    training, settings = facts.training, facts.training.get("settings") or {}
    words = ["accelerate", "launch", "trainer/sft.py"]
    if recipe := training.get("recipe") or settings.get("recipe"):
        name = recipe.get("path") if isinstance(recipe, dict) else recipe
        words += ["--config", f"trainer/recipes/{Path(str(name)).name}"]
    words += ["--dataset", facts.dataset, "--dataset_revision", facts.dataset_revision]
    words += ["--model_name_or_path", str(training.get("base_model") or "")]
    for name in ("learning_rate", "max_steps", "num_train_epochs", "per_device_train_batch_size",
                 "gradient_accumulation_steps", "seed", "task_mix", "freeze"):  # fmt: skip
        if settings.get(name) not in (None, ""):
            words += [f"--{name}", str(settings[name])]
    return f"git checkout {training.get('code_commit')}\n{shlex.join(words)}"


def _row(row: Mapping[str, Any], facts: ModelFacts) -> dict[str, str | int]:
    before = _same(row, facts.before)
    clean = _same(row, facts.clean)
    name = row.get("cell") or f"{row['task']} {row['metric']}"
    paper = row.get("paper", facts.paper.get(name))
    return {
        "task": f"{row['task']} v{row['version']}",
        "metric": row["metric"],
        "n": row["n"],
        "unparsed": row["unparsed"],
        "before": number(before["value"]) if before else NOT_MEASURED,
        "value": number(row["value"]),
        "interval": _interval(row.get("interval")),
        "clean": number(clean["value"]) if clean else NOT_MEASURED,
        "chance": "-" if row.get("chance") is None else number(row["chance"]),
        "paper": "-" if paper is None else number(paper),
        "run": str(row["run_id"])[:RUN_SHOWN],
    }


def _interval(interval: Sequence[float] | None) -> str:
    return "-" if not interval else f"{number(interval[0])} to {number(interval[1])}"


def _same(row: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row of another run that measured the same thing."""
    names = ("task", "metric", "cell")
    return next((o for o in others if all(o.get(n) == row.get(n) for n in names)), None)


def results_of(path: Path | None) -> list[dict[str, Any]]:
    """Rows of a results.json; none without a file."""
    import json

    if path is None:
        return []
    rows = json.loads(path.read_text("utf-8"))
    return list(rows["results"] if isinstance(rows, dict) else rows)
