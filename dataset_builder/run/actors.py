"""Annotators as Ray actors: each loads its model once and has the GPUs it asks for to itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, TypeVar

from dataset_builder.errors import BuildError
from dataset_builder.settings import Settings

T = TypeVar("T")


def run_on_actors(
    work: Callable[[T], None], tasks: Sequence[T], workers: int, settings: Settings
) -> Iterator[None]:
    """Call `work` on every task, on at most `workers` actors; yields as tasks end.

    Joins the cluster that RAY_ADDRESS names, else starts one on this machine. Raises BuildError
    without Ray, and where the cluster has not the GPUs of one actor: Ray would wait for ever.
    """
    if find_spec("ray") is None:
        raise BuildError(
            "build.executor=ray needs Ray: pip install 'ray>=2.40', or use --executor local"
        )
    import ray
    from ray.util import ActorPool

    gpus = float(settings.build.annotator_gpus)
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    try:
        there = float(ray.cluster_resources().get("GPU", 0))
        if gpus > there:
            raise BuildError(
                f"build.annotator_gpus={gpus:g}, but the Ray cluster has {there:g} GPUs; "
                "start Ray where the GPUs are, or set it to 0"
            )
        most = len(tasks) if gpus == 0 else min(len(tasks), int(there // gpus))
        remote = ray.remote(num_cpus=1, num_gpus=gpus)(Worker)
        pool = ActorPool([remote.remote(work) for _ in range(max(1, min(workers, most)))])
        for error in pool.map_unordered(lambda actor, task: actor.run.remote(task), tasks):
            if error is not None:
                raise BuildError(f"an annotator failed: {error}")
            yield
    finally:
        if started:
            ray.shutdown()


class Worker:
    """One actor; what `work` loads it keeps for the next task (`load_annotator`)."""

    def __init__(self, work: Callable[[Any], None]) -> None:
        self._work = work

    def run(self, task: Any) -> str | None:
        """Do one task; returns what went wrong, as errors of other libraries do not travel."""
        try:
            self._work(task)
        except Exception as error:  # the driver stops the build with these words
            return f"{type(error).__name__}: {error}"
        return None
