"""datatrove's executors without their console logs: a failure is one message, ours."""

from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.utils.stats import PipelineStats
from loguru import logger


class QuietRun:
    """Replaces datatrove's run of one task: same markers, no log files, errors left to us."""

    pipeline: list[Any]

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        logger.disable("datatrove")
        if not self.is_rank_completed(rank):  # type: ignore[attr-defined]
            for step in self.pipeline:
                step(None, rank, self.world_size)  # type: ignore[attr-defined]
            self.mark_rank_as_completed(rank)  # type: ignore[attr-defined]
        return PipelineStats()


class QuietLocal(QuietRun, LocalPipelineExecutor):
    """Processes of this machine."""


class QuietSlurm(QuietRun, SlurmPipelineExecutor):
    """Jobs of a Slurm cluster; the build folder must be on a file system all nodes see."""
