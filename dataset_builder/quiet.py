"""datatrove's executors without their console logs: a failure is one message, ours."""

import signal
from typing import Any

import multiprocess
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.executor.ray import RayPipelineExecutor
from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.utils.stats import PipelineStats
from loguru import logger
from multiprocess import forkserver, resource_tracker


class QuietRun:
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


class QuietLocal(QuietRun, LocalPipelineExecutor):
    """Processes of this machine, forked from a server that has our libraries loaded already."""

    def run(self) -> Any:
        """As datatrove's, without loading everything anew in every process of every stage."""
        multiprocess.set_forkserver_preload(["dataset_builder.pipeline"])
        # Ctrl-C reaches the whole process group; the first process alone answers it, the others
        # inherit this mask and are ended by it
        resource_tracker.ensure_running()  # first: starting it would lift the mask again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return super().run()


class QuietRay(QuietRun, RayPipelineExecutor):
    """Tasks of a Ray cluster; the build folder must be on a file system all nodes see."""


class QuietSlurm(QuietRun, SlurmPipelineExecutor):
    """Jobs of a Slurm cluster; the build folder must be on a file system all nodes see."""
