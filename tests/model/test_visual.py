"""The visual half of LlavaVid: an independent oracle, and one test per trap of the architecture."""

from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig, EfficientNetConfig, SiglipVisionConfig

from model.fixtures import (
    QFORMER,
    TEXT,
    VISION,
    code,
    source_names,
    tiny_config,
    tiny_model,
    workshop,
)

QUESTION = torch.tensor([[2, 9, 8, 3]])


def source_logits(*given: Any) -> torch.Tensor:
    return workshop("converting.verify.source_logits")(*given)


def port_logits(model: Any) -> torch.Tensor:
    return workshop("converting.verify.port_logits")(model)


def frames(count: int, seed: int = 0, size: int = 56) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_logits_equal_the_plain_formulas(attention: str) -> None:
    model = tiny_model(attention)
    for layer in model.model.vision_tower.encoder.layers:
        torch.nn.init.normal_(layer.self_attn.qkv.bias)
        layer.self_attn.qkv.bias.data[64:128] = 0
    tensors = source_names(model)
    expected = source_logits(tensors.__getitem__, model.config)
    difference = (port_logits(model) - expected).abs().max()
    assert difference < 2e-5 * expected.abs().max()


@pytest.mark.parametrize("factor", [1.0, 16.0])
def test_linear_rope_scaling_equals_the_plain_formulas(factor: float) -> None:
    rope = {"rope_type": "linear", "factor": factor, "rope_theta": 10000.0}
    model = tiny_model("sdpa", text_config={**TEXT, "rope_parameters": rope})
    expected = workshop("converting.verify.source_logits")(
        source_names(model).__getitem__, model.config
    )
    assert (workshop("converting.verify.port_logits")(model) - expected).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("compress", "count"), [("mean", 1), ("grid:1", 1), ("grid:2", 4), ("grid:3", 16), ("none", 16)]
)
def test_token_counts_and_order(compress: str, count: int) -> None:
    model = tiny_model(compress_type=compress)
    with torch.no_grad():
        out = model.get_video_features(frames(3), QUESTION)
        assert model.config.content_tokens_per_frame() == count
        (tokens,) = out.pooler_output
        assert tokens.shape == (3 * (1 + count), 96)
        per_frame = tokens.unflatten(0, (3, 1 + count))
        assert torch.equal(per_frame[:, :1], out.context_tokens)  # context first, per frame
        assert torch.equal(per_frame[:, 1:], out.content_tokens)
        patches = out.last_hidden_state[:, 1:]
        if compress == "grid:2":  # rows of the grid are rows of the picture
            grid = patches.unflatten(1, (2, 2, 2, 2)).mean((2, 4)).flatten(1, 2)
            assert torch.allclose(out.content_tokens, model.model.mm_projector(grid), atol=1e-5)
        if compress in ("mean", "grid:1"):
            mean = model.model.mm_projector(patches.mean(1, keepdim=True))
            assert torch.allclose(out.content_tokens, mean, atol=1e-5)
        if compress == "none":
            assert torch.allclose(out.content_tokens, model.model.mm_projector(patches), atol=1e-5)


def test_slots_choose_media_and_prompt() -> None:
    model = tiny_model()
    prompts = torch.tensor([[2, 9, 3], [2, 8, 3]])
    slots = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 1, 0]])
    with torch.no_grad():
        tokens = model.get_image_features(frames(2), prompts, image_slots=slots).pooler_output
        for (_, image, prompt), given in zip(slots.tolist(), tokens, strict=True):
            alone = model.get_image_features(
                frames(2)[image : image + 1], prompts[prompt : prompt + 1]
            )
            assert torch.allclose(given, alone.pooler_output[0], rtol=1e-4, atol=1e-4)


def test_one_image_meets_every_prompt_and_counts_must_fit() -> None:
    model = tiny_model()
    prompts = torch.tensor([[2, 9, 3], [2, 8, 3], [2, 7, 3]])
    assert len(model.get_image_features(frames(1), prompts).pooler_output) == 3
    with pytest.raises(ValueError, match="2 images and 3 prompts"):
        model.get_image_features(frames(2), prompts)
    with pytest.raises(ValueError, match="names image 5"):
        model.get_image_features(frames(2), prompts, image_slots=torch.tensor([[0, 5, 0]]))
    with pytest.raises(ValueError, match="qformer_input_ids"):
        model.get_image_features(frames(1))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_stacked_features_of_any_number_of_frames(count: int) -> None:
    """Three frames of features are not three channels of a picture."""
    model = tiny_model()
    with torch.no_grad():
        pixels = torch.stack([frames(count), frames(count).flip(0)])
        features = torch.stack([model.encode_frames(video)[:, 1:] for video in pixels])
        stacked = model.get_video_features(None, QUESTION, video_features=features).pooler_output
        for given, video in zip(stacked, features, strict=True):
            alone = model.get_video_features(None, QUESTION, video_features=video).pooler_output[0]
            assert torch.allclose(given, alone, atol=1e-5)


def test_chunked_encoding_changes_nothing_and_bounds_the_passes() -> None:
    model = tiny_model()
    sizes: list[int] = []
    model.model.vision_tower.embeddings.register_forward_hook(
        lambda _m, args, _o: sizes.append(len(args[0]))
    )
    with torch.no_grad():
        whole = model.get_video_features(frames(7), QUESTION).pooler_output[0]
        model.config.frame_chunk_size = 3
        chunked = model.get_video_features(frames(7), QUESTION).pooler_output[0]
    assert torch.allclose(whole, chunked, atol=1e-5)
    assert sizes == [7, 3, 3, 1]


def test_cached_features_replace_pixels() -> None:
    model = tiny_model()
    with torch.no_grad():
        features = model.encode_frames(frames(5))
        cached = model.get_video_features(video_features=features, qformer_input_ids=QUESTION)
        pixels = model.get_video_features(frames(5), QUESTION)
    assert torch.equal(cached.pooler_output[0], pixels.pooler_output[0])


@pytest.mark.parametrize("strategy", ["default", "full"])
def test_the_attention_of_the_question_over_the_patches_is_published(strategy: str) -> None:
    """Exact: the context token is a linear map of the patches weighted by it."""
    model = tiny_model()
    prompts = torch.tensor([[2, 9, 3], [2, 8, 3]])
    slots = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 0, 1]])
    with torch.no_grad():
        features = model.encode_frames(frames(5))
        features = features[:, 1:] if strategy == "full" else features
        out = model.get_video_features(
            video_features=features,
            qformer_input_ids=prompts,
            video_num_frames=torch.tensor([2, 3]),
            video_slots=slots,
        )
        assert [tuple(part.shape) for part in out.context_attentions] == [(2, 16), (3, 16), (2, 16)]
        video = [features[:2], features[2:], features[:2]]
        for seen, media, tokens in zip(
            out.context_attentions, video, out.pooler_output, strict=True
        ):
            assert torch.allclose(seen.sum(1), torch.ones(len(seen)), atol=1e-5)
            patches = media[:, -16:]
            expected = model.model.vlm_att_val_projector((seen[:, None] @ patches).squeeze(1))
            assert torch.allclose(tokens[0::2], expected, atol=1e-4)
    first, _, third = out.context_attentions
    assert (first - third).abs().max() > 1e-6  # another question looks elsewhere


def test_long_video_features_have_no_cls_anywhere() -> None:
    model = tiny_model()
    features = torch.randn(70, 16, 64, generator=torch.Generator().manual_seed(3)).half()
    seen: dict[str, torch.Tensor] = {}
    model.model.vlm_att_ln.register_forward_hook(lambda _m, args, _o: seen.update(x=args[0]))
    with torch.no_grad():
        out = model.get_video_features(features, QUESTION)
    assert out.pooler_output[0].shape == (140, 96)
    assert seen["x"].shape[1] == 16
    mean = model.model.mm_projector(features.float().mean(1, keepdim=True))
    assert torch.allclose(out.content_tokens, mean, atol=1e-5)


def test_cls_is_seen_by_the_qformer_and_by_nothing_else() -> None:
    model = tiny_model()
    with torch.no_grad():
        features = model.encode_frames(frames(1))
        changed = features.clone()
        changed[:, 0] += 5 * torch.randn(64, generator=torch.Generator().manual_seed(1))
        first = model.get_video_features(features, QUESTION)
        second = model.get_video_features(changed, QUESTION)
    assert torch.equal(first.content_tokens, second.content_tokens)
    assert (first.context_tokens - second.context_tokens).abs().max() > 1e-6


def test_the_tower_output_is_the_stream_before_its_norm() -> None:
    model = tiny_model()
    tower = model.model.vision_tower
    caught = {}
    tower.encoder.layers[-1].register_forward_hook(lambda _m, _a, out: caught.update(x=out))
    features = model.encode_frames(frames(1))
    assert torch.equal(features, caught["x"])
    assert not [name for name in model.state_dict() if "post_layernorm" in name]


def test_videos_of_several_lengths() -> None:
    model = tiny_model()
    video = frames(5)
    prompts = torch.tensor([[2, 9, 3], [2, 8, 3]])
    with torch.no_grad():
        both = model.get_video_features(
            video, prompts, video_num_frames=torch.tensor([2, 3])
        ).pooler_output
        assert [len(tokens) for tokens in both] == [4, 6]
        alone = model.get_video_features(video[2:], prompts[1:]).pooler_output[0]
        assert torch.allclose(both[1], alone, atol=1e-5)
        stacked = model.get_video_features(video[:4].unflatten(0, (2, 2)), prompts)
        assert [len(tokens) for tokens in stacked.pooler_output] == [4, 4]
    with pytest.raises(ValueError, match="sum 4"):
        model.get_video_features(video, prompts, video_num_frames=torch.tensor([2, 2]))


def test_placeholders_and_visual_tokens_must_match() -> None:
    model = tiny_model()
    ids = torch.tensor([[5, 640, 640, 640, 6]])
    with pytest.raises(ValueError, match=r"3 image placeholder tokens but 1 image slots give 2"):
        model(input_ids=ids, pixel_values=frames(1), qformer_input_ids=QUESTION)
    with pytest.raises(ValueError, match="uint8"):
        model.encode_frames(torch.zeros(1, 3, 56, 56, dtype=torch.uint8))
    with pytest.raises(ValueError, match="25 visual tokens"):
        model.get_video_features(torch.randn(2, 25, 64), QUESTION)


def test_a_frozen_tower_stays_in_eval_mode() -> None:
    model = tiny_model().train()
    assert model.model.qformer.training
    assert not any(module.training for module in model.model.vision_tower.modules())
    assert all(m.training for m in tiny_model(train_vision_tower=True).train().modules())


def tower_config(vision: Any, width: int, **fields: Any) -> Any:
    return tiny_config(
        vision_config=vision, qformer_config={**QFORMER, "encoder_hidden_size": width}, **fields
    )


def test_a_feature_map_tower_is_flattened_row_by_row_and_keeps_its_batch_norms() -> None:
    vision = EfficientNetConfig(
        image_size=64,
        width_coefficient=0.25,
        depth_coefficient=0.1,
        hidden_dim=320,
        hidden_act="relu6",
        initializer_range=0.2,
    )
    config = tower_config(vision, 320, vision_feature="last", vision_feature_select_strategy="full")
    assert config.num_patches == 4
    model = code("modeling_llava_vid.LlavaVidForConditionalGeneration")(config).train()
    before = {k: v.clone() for k, v in model.model.vision_tower.named_buffers()}
    features = model.encode_frames(frames(2, size=64))
    feature_map = model.model.vision_tower(frames(2, size=64)).last_hidden_state
    assert torch.equal(features[:, 1], feature_map[:, :, 0, 1])
    assert torch.equal(features[:, 2], feature_map[:, :, 1, 0])
    assert all(torch.equal(v, before[k]) for k, v in model.model.vision_tower.named_buffers())
    assert model.get_video_features(frames(2, size=64), QUESTION).pooler_output[0].shape == (4, 96)


@pytest.mark.parametrize(
    ("vision", "strategy"), [(CLIPVisionConfig, "default"), (SiglipVisionConfig, "full")]
)
def test_other_transformer_towers(vision: Any, strategy: str) -> None:
    fields = {k: v for k, v in VISION.items() if k not in ("model_type", "initializer_range")}
    config = tower_config(vision(**fields), 64, vision_feature_select_strategy=strategy)
    model = code("modeling_llava_vid.LlavaVidForConditionalGeneration")(config).eval()
    caught: dict[str, torch.Tensor] = {}
    norms = [m for n, m in model.model.vision_tower.named_modules() if n.endswith("post_layernorm")]
    norms[0].register_forward_pre_hook(lambda _m, args: caught.update(x=args[0]))
    with torch.no_grad():
        features = model.encode_frames(frames(2))
        tokens = model.get_video_features(frames(2), QUESTION).pooler_output[0]
    raw = caught["x"] if caught["x"].ndim == 3 else None
    assert raw is None or torch.equal(features, raw)
    assert features.shape == (2, 17 if strategy == "default" else 16, 64)
    assert tokens.shape == (4, 96)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("compress_type", "max", "'mean', 'none' or 'grid:k'"),
        ("compress_type", "grid:9", "k <= 4"),
        ("compress_type", 3, "compress_type is 3"),
        ("vision_feature", "first", r"\('raw', 'last'\)"),
        ("vision_feature_select_strategy", "cls", r"\('default', 'full'\)"),
        ("num_query_tokens", 0, "integer >= 1"),
        ("context_norm_eps", 0.0, "number > 0"),
        ("video_fps", -1, "number > 0"),
        ("video_fps", float("inf"), "finite number > 0"),
        ("initializer_range", "x", "finite number > 0"),
        ("train_vision_tower", "yes", "expected a bool"),
        ("max_frames", 0, "None or an integer >= 1"),
        ("frame_chunk_size", "8", "integer >= 1"),
        ("image_token_id", 641, "two different ids"),
        ("vision_config", {"model_type": "no-such-tower"}, "not a model type"),
        ("qformer_config", {**QFORMER, "encoder_hidden_size": 63}, "vision width 64"),
    ],
)
def test_wrong_fields_fail_at_construction(field: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        tiny_config(**{field: value})
    assert field.split("_config")[0] in str(error.value)


def test_a_field_set_wrong_later_fails_when_the_model_is_made() -> None:
    """As `from_pretrained(folder, compress_type=…)` sets it, after the config's construction."""
    config = tiny_config()
    config.compress_type = "bad"
    with pytest.raises(ValueError, match="compress_type is 'bad'"):
        code("modeling_llava_vid.LlavaVidModel")(config)


def test_the_default_config_is_the_released_size() -> None:
    config = code("configuration_llava_vid.LlavaVidConfig")()
    assert (config.vision_width, config.num_patches, config.num_query_tokens) == (1408, 256, 32)
    assert config.vision_config.num_hidden_layers == 39
    assert config.qformer_config.hidden_size == 768
    assert (config.image_token_id, config.video_token_id) == (32000, 32001)
    again = type(config).from_dict(config.to_dict())
    assert again.to_dict() == config.to_dict()
