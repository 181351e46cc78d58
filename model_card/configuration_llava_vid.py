"""Configuration of LlavaVid (LLaMA-VID): vision tower, Q-Former, language model."""

import math
import re
from typing import Any

from transformers.configuration_utils import PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, AutoConfig

AUTO_MAP = {
    "AutoConfig": "configuration_llava_vid.LlavaVidConfig",
    "AutoModel": "modeling_llava_vid.LlavaVidForConditionalGeneration",
    "AutoModelForImageTextToText": "modeling_llava_vid.LlavaVidForConditionalGeneration",
    "AutoModelForMultimodalLM": "modeling_llava_vid.LlavaVidForConditionalGeneration",
    "AutoProcessor": "processing_llava_vid.LlavaVidProcessor",
}
VISION_FEATURES = ("raw", "last")
SELECT_STRATEGIES = ("default", "full")
_GRID = re.compile(r"grid:([1-9]\d*)")


def pooling_kernel(compress_type: str, num_patches: int) -> int | None:
    """Kernel (= stride) in patches of the content pooling; None where every patch is one token.

    `grid:k` follows the reference: kernel = floor(sqrt(num_patches) / k).
    Raises ValueError for an unknown type, a grid over a non-square map, or k above its side.
    """
    if compress_type == "none":
        return None
    side = math.isqrt(num_patches)
    match = _GRID.fullmatch(compress_type)
    if match is None:
        raise ValueError(
            f"compress_type is {compress_type!r}: expected 'mean', 'none' or 'grid:k' with k >= 1"
        )
    grid = int(match.group(1))
    if side * side != num_patches or grid > side:
        raise ValueError(
            f"compress_type is {compress_type!r} but a frame has {num_patches} patches: "
            f"a grid needs a square number of patches and k <= {side}"
        )
    return side // grid


def content_tokens_per_frame(compress_type: str, num_patches: int) -> int:
    """Number of content tokens of one frame (the context token is not counted)."""
    if compress_type == "mean":
        return 1
    kernel = pooling_kernel(compress_type, num_patches)
    if kernel is None:
        return num_patches
    return ((math.isqrt(num_patches) - kernel) // kernel + 1) ** 2


def _sub_config(name: str, value: Any, default_type: str) -> PretrainedConfig:
    """A sub-config object from a config, a dict with `model_type`, or None (the default type)."""
    if isinstance(value, PretrainedConfig):
        return value
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {value!r}: expected a transformers config, a dict or None")
    fields = dict(value)
    model_type = fields.pop("model_type", default_type)
    if model_type not in CONFIG_MAPPING:
        raise ValueError(f"{name}.model_type is {model_type!r}: not a model type of transformers")
    return CONFIG_MAPPING[model_type](**fields)


class LlavaVidConfig(PretrainedConfig):
    """Everything that fixes the shape and arithmetic of a LlavaVid model.

    vision_config: any transformers vision model (default `InstructBlipVisionConfig()` = EVA ViT-g);
    qformer_config: `InstructBlipQFormerConfig`; text_config: any causal language model.
    num_query_tokens: learned queries of the Q-Former.
    compress_type: content tokens per frame: `mean` (1), `grid:k`, `none` (one per patch).
    context_norm_eps: eps of the layer norm in front of the Q-Former's cross-attention.
    vision_feature: `raw` = stream before the tower's final norm; `last` = last_hidden_state.
    vision_feature_select_strategy: `default` = token 0 is a CLS token, seen by the Q-Former only;
    `full` = every token is a patch (towers without CLS, feature maps).
    num_patches: patches per frame; derived from the vision config when None.
    image_token_id, video_token_id: placeholder ids, default: the two ids after the vocabulary (the
    embedding table and the logits are never enlarged for them).
    video_fps: frames sampled per second; max_frames: cap (None = no cap), uniform subsampling.
    frame_chunk_size: frames encoded at once. train_vision_tower: the tower starts trainable.
    Raises ValueError naming the field, the value and the allowed set.
    """

    model_type = "llava_vid"
    sub_configs = {  # noqa: RUF012 - the library reads this class attribute
        "vision_config": AutoConfig,
        "qformer_config": AutoConfig,
        "text_config": AutoConfig,
    }

    def __init__(
        self,
        vision_config: Any = None,
        qformer_config: Any = None,
        text_config: Any = None,
        num_query_tokens: int = 32,
        compress_type: str = "mean",
        context_norm_eps: float = 1e-5,
        vision_feature: str = "raw",
        vision_feature_select_strategy: str = "default",
        num_patches: int | None = None,
        image_token_id: int | None = None,
        video_token_id: int | None = None,
        video_fps: float = 1.0,
        max_frames: int | None = None,
        frame_chunk_size: int = 64,
        train_vision_tower: bool = False,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        self.vision_config = _sub_config(
            "vision_config", vision_config, "instructblip_vision_model"
        )
        self.qformer_config = _sub_config("qformer_config", qformer_config, "instructblip_qformer")
        self.text_config = _sub_config("text_config", text_config, "llama")
        vocab_size = self.text_config.vocab_size
        self.num_query_tokens, self.context_norm_eps = num_query_tokens, context_norm_eps
        self.compress_type = "none" if compress_type is None else compress_type
        self.vision_feature = vision_feature
        self.vision_feature_select_strategy = vision_feature_select_strategy
        self.num_patches = num_patches if num_patches is not None else self._derived_patches()
        self.image_token_id = vocab_size if image_token_id is None else image_token_id
        self.video_token_id = vocab_size + 1 if video_token_id is None else video_token_id
        self.video_fps, self.max_frames = video_fps, max_frames
        self.frame_chunk_size, self.initializer_range = frame_chunk_size, initializer_range
        self.train_vision_tower = train_vision_tower
        self.check_fields()
        super().__init__(**self._inherited(kwargs))
        self.auto_map = dict(AUTO_MAP)

    def _inherited(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Fields of the outer config that follow the language model's unless given."""
        text = self.text_config
        tied = kwargs.get("tie_word_embeddings") or getattr(text, "tie_word_embeddings", False)
        # generate() and Trainer read the special ids from the outer config.
        ids = ("bos_token_id", "eos_token_id", "pad_token_id")
        found = {name: getattr(text, name, None) for name in ids}
        given = {name: value for name, value in kwargs.items() if name != "auto_map"}
        return {**found, **given, "tie_word_embeddings": bool(tied)}

    @property
    def vision_width(self) -> int:
        """Channels of one visual token."""
        config = self.vision_config
        for name in ("hidden_size", "hidden_dim", "embed_dim"):
            if isinstance(getattr(config, name, None), int):
                return int(getattr(config, name))
        if getattr(config, "hidden_sizes", None):
            return int(config.hidden_sizes[-1])
        raise ValueError(f"vision_config {config.model_type!r} names no hidden size")

    def content_tokens_per_frame(self) -> int:
        """Content tokens of one frame; a frame's total is one more (the context token)."""
        return content_tokens_per_frame(self.compress_type, self.num_patches)

    def to_dict(self) -> dict[str, Any]:
        """The library's dict with the complete auto_map of this folder.

        A config loaded from the Hub carries `repo--module.Class` references; saving those would
        make the new folder float on another repository.
        """
        output: dict[str, Any] = super().to_dict()
        output["auto_map"] = dict(AUTO_MAP)
        return output

    def _derived_patches(self) -> int:
        size = getattr(self.vision_config, "image_size", None)
        size = size[0] if isinstance(size, (list, tuple)) else size
        patch = getattr(self.vision_config, "patch_size", None)
        patch = patch[0] if isinstance(patch, (list, tuple)) else patch
        if isinstance(size, int) and patch is None and hasattr(self.vision_config, "strides"):
            # Convolutional towers: the stem halves the size, then every stage by its stride.
            patch = 2 * math.prod(self.vision_config.strides)
        if not isinstance(size, int) or not isinstance(patch, int):
            raise ValueError(
                "num_patches is None and vision_config "
                f"{self.vision_config.model_type!r} has no image_size and patch_size: "
                "give num_patches (visual tokens per frame without CLS)"
            )
        return int(size // patch) ** 2

    def check_fields(self) -> None:
        """Raises ValueError for a field out of its range (models check again: `from_pretrained`
        sets overrides after construction)."""
        allowed = {
            "vision_feature": VISION_FEATURES,
            "vision_feature_select_strategy": SELECT_STRATEGIES,
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected one of {values}")
        for name in ("num_query_tokens", "num_patches", "frame_chunk_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}: expected an integer >= 1")
        if self.max_frames is not None and (
            not isinstance(self.max_frames, int) or self.max_frames < 1
        ):
            raise ValueError(f"max_frames is {self.max_frames!r}: expected None or an integer >= 1")
        for name in ("context_norm_eps", "video_fps", "initializer_range"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 0 < value < math.inf):
                raise ValueError(f"{name} is {value!r}: expected a finite number > 0")
        if not isinstance(self.train_vision_tower, bool):
            raise ValueError(f"train_vision_tower is {self.train_vision_tower!r}: expected a bool")
        if not isinstance(self.compress_type, str):
            raise ValueError(
                f"compress_type is {self.compress_type!r}: expected 'mean', 'none' or 'grid:k'"
            )
        content_tokens_per_frame(self.compress_type, self.num_patches)
        self._check_parts()

    def _check_parts(self) -> None:
        ids = (self.image_token_id, self.video_token_id)
        if any(not isinstance(i, int) or i < 0 for i in ids) or ids[0] == ids[1]:
            raise ValueError(
                f"image_token_id, video_token_id are {ids}: expected two different ids >= 0"
            )
        width = getattr(self.qformer_config, "encoder_hidden_size", None)
        if width is not None and width != self.vision_width:
            raise ValueError(
                f"qformer_config.encoder_hidden_size is {width}: expected the vision width "
                f"{self.vision_width} (vision_config {self.vision_config.model_type!r})"
            )


LlavaVidConfig.register_for_auto_class()

__all__ = ["LlavaVidConfig", "content_tokens_per_frame", "pooling_kernel"]
