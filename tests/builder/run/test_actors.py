"""Annotators on a Ray cluster started here: the same results, each model loaded once per actor."""

import sys

import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import jpeg, post, write_text
from dataset_builder.annotate.run import annotate_build
from dataset_builder.errors import BuildError
from dataset_builder.run.actors import run_on_actors
from dataset_builder.settings import load_settings

cloudpickle = pytest.importorskip("ray.cloudpickle", reason="Ray is not installed")
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the actors do not see the tests
OFF = ["annotate.tags=null", "annotate.ocr=null", "annotate.asr=null"]
COUNT = 40


def build(folder, media, executor):
    names = [f"p{at:02}" for at in range(COUNT)]
    posts = [post(f"reddit-{name}", "image") for name in names]
    write_text(folder, posts, {})
    settings = load_settings("seed", [*OFF, f"build.executor={executor}"])
    found = annotate_build(folder, media, settings, "colors", (1, 1), 2)
    assert found["annotated"] == {"colors": COUNT}
    parts = sorted((folder / "work" / "annotations").glob("*/*.parquet"))
    return [row for path in parts for row in pq.read_table(path).to_pylist()]


def test_results_are_those_of_this_machine(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    for at in range(COUNT):
        (media / f"p{at:02}.jpg").write_bytes(jpeg(at))
    assert build(tmp_path / "ray", media, "ray") == build(tmp_path / "local", media, "local")


class Counted:
    """Notes, in a file of its process, how often its model was loaded."""

    loaded = None

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, task):
        import os

        if type(self).loaded is None:
            type(self).loaded = object()
            with (self.folder / f"{os.getpid()}.loads").open("a") as file:
                file.write("x")
        if task == "bad":
            raise ValueError("no such picture")


def test_a_model_is_loaded_once_per_actor_and_a_failure_is_told(tmp_path):
    settings = load_settings("seed", ["build.executor=ray"])
    tasks = [str(at) for at in range(12)]
    assert len(list(run_on_actors(Counted(tmp_path), tasks, 2, settings))) == 12
    loads = [path.read_text() for path in tmp_path.glob("*.loads")]
    assert loads == ["x"] * len(loads)
    assert 1 <= len(loads) <= 2
    with pytest.raises(BuildError, match="ValueError: no such picture"):
        list(run_on_actors(Counted(tmp_path), ["1", "bad"], 2, settings))


def test_gpus_that_are_not_there_are_an_error_not_a_wait():
    settings = load_settings("seed", ["build.executor=ray", "build.annotator_gpus=64"])
    with pytest.raises(BuildError, match="annotator_gpus=64"):
        list(run_on_actors(print, ["x"], 1, settings))
