"""datatrove's Ray executor, quiet; apart, because importing it needs Ray."""

from typing import Any

from dataset_builder.errors import BuildError
from dataset_builder.quiet import QuietRun


def quiet_ray(**options: Any) -> Any:
    """A Ray executor; raises BuildError where Ray is not installed."""
    try:
        from datatrove.executor.ray import RayPipelineExecutor
    except ImportError as error:
        raise BuildError(
            "build.executor=ray needs Ray: pip install 'ray>=2.40', or use --executor local"
        ) from error

    class QuietRay(QuietRun, RayPipelineExecutor):
        """Tasks of a Ray cluster."""

    return QuietRay(**options)
