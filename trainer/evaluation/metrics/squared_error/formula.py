"""Mean squared error of videos from the predictions of their clips."""

from collections.abc import Callable, Mapping, Sequence

from sklearn.metrics import mean_squared_error


def video_predictions(
    clips: Mapping[str, Sequence[float]], to_units: Callable[[float], float]
) -> dict[str, float]:
    """Mean over clips in official units: convert each clip first, then average."""
    return {
        video: sum(map(to_units, values)) / len(values) for video, values in clips.items() if values
    }


def mse(predictions: Sequence[float], references: Sequence[float]) -> float | None:
    """Mean squared error; None without items."""
    return float(mean_squared_error(references, predictions)) if len(references) else None
