"""datatrove's executors without their console logs: a failure is one message, ours."""

from functools import partial
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.executor.ray import RayPipelineExecutor
from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.utils.stats import PipelineStats
from loguru import logger

from dataset_builder.run.pool import run_local
from dataset_builder.run.task import Demand


class MarkedRun:
    """Replaces datatrove's run of one task: same markers, no log files, errors left to us."""

    pipeline: list[Any]
    logging_dir: Any

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        logger.disable("datatrove")
        if not self.is_rank_completed(rank):  # type: ignore[attr-defined]
            for step in self.pipeline:
                step(None, rank, self.world_size)  # type: ignore[attr-defined]
            with self.logging_dir.open(f"stats/{rank:05d}.json", "w") as file:
                PipelineStats().save_to_disk(file)  # the Ray and Slurm executors read it back
            self.mark_rank_as_completed(rank)  # type: ignore[attr-defined]
        return PipelineStats()


class LocalExecutor(LocalPipelineExecutor):
    """Processes of this machine, forked from a server that has our libraries loaded already."""

    demand = Demand()

    def run(self) -> None:
        """As datatrove's, with processes that end with the stage and give their memory back.

        The first failure ends the others. Raises BuildError when a process was killed.
        """
        (step,) = self.pipeline
        weights = {rank: self.demand.of(rank) for rank in self.get_incomplete_ranks()}
        run_local(
            partial(step, None),
            weights,
            self.workers,
            self.mark_rank_as_completed,
            self.demand.room,
            lean=True,
        )


class RayExecutor(MarkedRun, RayPipelineExecutor):
    """Tasks of a Ray cluster; the build folder must be on a file system all nodes see."""


class SlurmExecutor(MarkedRun, SlurmPipelineExecutor):
    """Jobs of a Slurm cluster; the build folder must be on a file system all nodes see."""
