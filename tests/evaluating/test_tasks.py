"""Every task: counts, the two counts of 40, checksums, gold, garbage, constants, random draws."""

import hashlib
import math
import shutil
from pathlib import Path

import pytest

from evaluating.support import BENCHMARKS, FIXTURES
from places import SHARED, needs_shared
from trainer.evaluation.inputs.files import AnnotationProblem, read_bytes
from trainer.evaluation.inputs.media import index_media, missing_media
from trainer.evaluation.score import SCORERS
from trainer.evaluation.scoring.baselines import constant_rows, gold_rows, random_rows
from trainer.evaluation.scoring.outcome import Outcome, point, statistic
from trainer.evaluation.stats.bootstrap import interval
from trainer.evaluation.task import PROTOCOLS, Task
from trainer.evaluation.tasks import TASKS, find, hvu, msvd_qa, pitt
from trainer.evaluation.tasks.lvu import LOG_VIEWS_SHIFT

LABEL_TASKS = [t for t in TASKS if t.protocol in ("labels", "choices") and t.scorer != "hvu_map"]
REAL = [t for t in TASKS if t.files and all((BENCHMARKS / f.path).is_file() for f in t.files)]


def outcomes(task: Task, root: Path, rows: dict) -> list[Outcome]:
    return SCORERS[task.scorer](task, root, task.examples(root), rows, "auto")


def test_both_counts_are_40_and_the_cells_49() -> None:
    cells = [cell for task in TASKS for cell in task.cells]
    assert sum(cell.count_i for cell in cells) == 40
    assert sum(cell.count_ii for cell in cells) == 40
    assert sum(cell.table > 0 for cell in cells) == 49
    assert all(cell.table for cell in cells if cell.count_i or cell.count_ii)


def test_names_are_unique_and_all_23_data_sets_are_there() -> None:
    names = [task.name for task in TASKS]
    assert len(set(names)) == len(names)
    outside = {"salicon", "osie"}
    assert len({t.benchmark for t in TASKS} - outside) == 23
    assert {t.protocol for t in TASKS} <= set(PROTOCOLS)
    assert {t.scorer for t in TASKS} <= set(SCORERS)
    with pytest.raises(ValueError, match="did you mean 'memcat'"):
        find("memcatt")


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_a_six_item_fixture_loads(task: Task) -> None:
    examples = task.examples(FIXTURES)
    assert len(examples) == 6
    assert len({e.id for e in examples}) == 6
    assert all(task.question(e) and "{" not in task.question(e) for e in examples)
    if task.train:
        assert task.train(FIXTURES)


@pytest.mark.parametrize("task", [t for t in TASKS if t.files], ids=lambda t: t.name)
def test_a_wrong_checksum_is_refused(task: Task, tmp_path: Path) -> None:
    for file in task.files:
        target = tmp_path / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((FIXTURES / file.path).read_bytes() + b" ")
    shutil.copy(FIXTURES / "SHA256SUMS", tmp_path)
    for file in task.files:
        with pytest.raises(AnnotationProblem, match="sha256"):
            read_bytes(tmp_path, file)
    (tmp_path / "SHA256SUMS").unlink()
    known = [file for file in task.files if file.sha256]
    for file in known:
        with pytest.raises(AnnotationProblem, match="expected"):
            read_bytes(tmp_path, file)


@pytest.mark.parametrize("task", LABEL_TASKS, ids=lambda t: t.name)
def test_gold_scores_one_and_garbage_is_unparsed(task: Task) -> None:
    examples = task.examples(FIXTURES)
    gold = outcomes(task, FIXTURES, gold_rows(examples))[0]
    assert point(gold)[0] == 1.0
    garbage = {e.id: [{"id": e.id, "answer": "%%% zz"}] for e in examples}
    made = outcomes(task, FIXTURES, garbage)[0]
    assert point(made)[0] is None
    assert int((~made.parsed).sum()) == 6


def test_every_written_form_of_gold_scores_perfectly() -> None:
    for name, write in (
        ("lvu/view_count", lambda e: str(round(math.exp(e.truth + LOG_VIEWS_SHIFT)))),
        ("memcat/rho", lambda e: f"{round(99 * e.truth):02d}"),
        ("lambda_ads/rho", lambda e: f"{int(e.truth):02d}"),
        ("blift/likes", lambda e: f"The video will be liked by {e.truth:.1f}%"),
    ):
        (task,) = find(name)
        rows = {e.id: [{"id": e.id, "answer": write(e)}] for e in task.examples(FIXTURES)}
        value, _ = point(outcomes(task, FIXTURES, rows)[0])
        assert value == pytest.approx(0.0 if name.startswith("lvu") else 1.0, abs=1e-4), name


@needs_shared("data/benchmarks")
@pytest.mark.parametrize("task", REAL, ids=lambda t: t.name)
def test_real_counts_and_printed_constants(task: Task) -> None:
    root = BENCHMARKS
    examples = task.examples(root)
    assert len(examples) == task.n
    assert len({e.id for e in examples}) == task.n
    first = task.cells[-1 if task.scorer == "answers" else 0]
    if task.protocol in ("labels", "answer") and first.constant is not None:
        made = {o.cell: o for o in outcomes(task, root, constant_rows(task, root, examples))}
        assert point(made[first.name])[0] == pytest.approx(first.constant, abs=1e-9)


@needs_shared("data/benchmarks")
@pytest.mark.parametrize("task", [t for t in LABEL_TASKS if t in REAL], ids=lambda t: t.name)
def test_a_random_predictor_meets_chance(task: Task) -> None:
    examples = task.examples(BENCHMARKS)[:1000]
    cell = task.cells[0]
    if cell.chance is None:
        pytest.skip("classes of unequal number per item: no one chance")
    rows = random_rows(task, examples, seed=11)
    made = SCORERS[task.scorer](task, BENCHMARKS, examples, rows, "auto")[0]
    of, clusters, items = statistic(made)
    spread = interval(of, clusters, resamples=2000, items=items)
    assert spread is not None
    margin = 1.1 * (spread.high - spread.low)
    assert cell.chance == pytest.approx(point(made)[0], abs=margin)


@needs_shared("data/benchmarks")
def test_facts_of_the_spec() -> None:
    clusters = {t.name: len({e.cluster for e in t.examples(BENCHMARKS)}) for t in REAL}
    assert clusters["hvu/hvu_4096"] == 29633
    assert clusters["msvd_qa/test"] == 504
    assert clusters["activitynet_qa/test"] == 800
    assert clusters["msrvtt_qa/val"] == 497
    (msvd,) = find("msvd_qa")
    names = {msvd_qa.youtube_id(e.media or "") for e in msvd.examples(BENCHMARKS)}
    assert len(names) == 377
    (director,), (writer,) = find("lvu/director"), find("lvu/writer")
    assert (len(director.labels), len(writer.labels)) == (8, 7)
    assert len({e.truth for e in director.examples(BENCHMARKS)}) == 7
    assert sum(e.truth == "unknown" for e in writer.examples(BENCHMARKS)) == 9
    categories = hvu.categories(BENCHMARKS)
    count = {c: sum(v == c for v in categories.values()) for c in hvu.CATEGORIES}
    assert count == {
        "scene": 248,
        "object": 1678,
        "action": 739,
        "event": 69,
        "attribute": 117,
        "concept": 291,
    }
    ad = next(e for e in pitt.sentiments(BENCHMARKS) if e.id == "ZBLkTALi1CI")
    assert ad.truth == "cheerful"
    (topic,) = find("pitt/topic")
    found = {e.id: e.truth for e in topic.examples(BENCHMARKS)}
    assert found["ZBLkTALi1CI"] == "game"
    assert len(set(found.values())) == 38
    (lamb,) = find("lambda_ads")
    truths = [e.truth for e in lamb.examples(BENCHMARKS)]
    assert (len(set(truths)), truths.count(99), truths.count(0)) == (19, 82, 29)


@needs_shared("data/benchmarks")
def test_the_candidates_are_those_published() -> None:
    published = {
        "pitt/action": pitt.ACTION_SHA256,
        "pitt/reason": pitt.REASON_SHA256,
        "hvu/hvu_4096": hvu.CANDIDATES_SHA256,
    }
    for name, expected in published.items():
        (task,) = find(name)
        examples = task.examples(BENCHMARKS)
        assert all(len(set(e.choices)) == 30 for e in examples)
        if task.protocol == "choices":
            assert all(e.truth in e.choices for e in examples)
        lines = "\n".join("\t".join((e.id, *e.choices)) for e in examples)
        assert hashlib.sha256(lines.encode()).hexdigest() == expected, name


def test_media_are_found_as_downloaded(tmp_path: Path) -> None:
    (caer,), (scene,) = find("caer"), find("lvu/scene")
    examples = caer.examples(FIXTURES)
    for example in examples[:-1]:
        path = tmp_path / "caer" / f"{example.media}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert missing_media(index_media(tmp_path, caer), examples) == [examples[-1].media]
    (tmp_path / "lvu_1.0/videos").mkdir(parents=True)
    first = scene.examples(FIXTURES)[0]
    (tmp_path / f"lvu_1.0/videos/{first.media}.mkv").touch()
    assert index_media(tmp_path, scene).find(first.media or "") is not None


def test_no_annotation_is_copied_into_the_package() -> None:
    text = (FIXTURES / "SHA256SUMS").read_text("utf-8")
    assert text.startswith("# synthetic")
    if BENCHMARKS.is_dir():
        files = [path for path in BENCHMARKS.rglob("*.*") if path.is_file()]
        real = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        ours = {line.split()[0] for line in text.splitlines()[1:]}
        assert not real & ours
    assert SHARED != FIXTURES
