"""The original formulas in plain PyTorch on a source checkpoint's own tensors: an oracle.

Nothing of the port is used up to the logits, so that a mistake in the name map, the packing or the
model shows. One tensor is held in float32 at a time.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoModel

from .config import read_json
from .names import BERT, VISION
from .sources import Request, source_reader

PROMPT_IDS = (3, 7, 11, 5)
QUESTION_IDS = (2, 5, 9, 3)
TOLERANCE = 1e-3

Get = Callable[[str], torch.Tensor]


def linear(get: Get, name: str, x: torch.Tensor, bias: bool = True) -> torch.Tensor:
    return F.linear(x, get(f"{name}.weight"), get(f"{name}.bias") if bias else None)


def norm(get: Get, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    weight = get(f"{name}.weight")
    return F.layer_norm(x, weight.shape, weight, get(f"{name}.bias"), eps)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, mask: Any = 0.0) -> Any:
    """Multi-head attention of [B, T, C] tensors; mask is added to the scores."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + mask
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def eva_tower(get: Get, pixels: torch.Tensor, layers: int, heads: int) -> torch.Tensor:
    """[F, 1+N, C]: the stream after the last block, no final norm."""
    patch = get(VISION + "patch_embed.proj.weight")
    x = F.conv2d(pixels, patch, get(VISION + "patch_embed.proj.bias"), stride=patch.shape[-1])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([get(VISION + "cls_token").expand(len(x), -1, -1), x], 1)
    x = x + get(VISION + "pos_embed")
    for i in range(layers):
        block = f"{VISION}blocks.{i}."
        q_bias, v_bias = get(block + "attn.q_bias"), get(block + "attn.v_bias")
        bias = torch.cat([q_bias, torch.zeros_like(q_bias), v_bias])
        qkv = F.linear(norm(get, block + "norm1", x, 1e-6), get(block + "attn.qkv.weight"), bias)
        q, k, v = qkv.chunk(3, -1)
        x = x + linear(get, block + "attn.proj", attend(q, k, v, heads))
        hidden = F.gelu(linear(get, block + "mlp.fc1", norm(get, block + "norm2", x, 1e-6)))
        x = x + linear(get, block + "mlp.fc2", hidden)
    return x


def qformer(
    get: Get, ids: torch.Tensor, image: torch.Tensor, layers: int, heads: int, every: int
) -> Any:
    """[F, queries, D]: query rows of the last layer; ids [1, L] without padding."""
    words = get(BERT + "embeddings.word_embeddings.weight")[ids[0]]
    words = words + get(BERT + "embeddings.position_embeddings.weight")[: ids.shape[1]]
    query = get("model.vlm_att_query")
    count = query.shape[1]
    x = torch.cat([query, words[None]], 1).expand(len(image), -1, -1)
    x = norm(get, BERT + "embeddings.LayerNorm", x, 1e-12)

    def attention(name: str, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        q = linear(get, f"{name}.self.query", x)
        k, v = (linear(get, f"{name}.self.{part}", memory) for part in ("key", "value"))
        out = linear(get, f"{name}.output.dense", attend(q, k, v, heads))
        return norm(get, f"{name}.output.LayerNorm", out + x, 1e-12)

    def feed_forward(layer: str, kind: str, x: torch.Tensor) -> torch.Tensor:
        hidden = F.gelu(linear(get, f"{layer}intermediate{kind}.dense", x))
        hidden = linear(get, f"{layer}output{kind}.dense", hidden)
        return norm(get, f"{layer}output{kind}.LayerNorm", hidden + x, 1e-12)

    for i in range(layers):
        layer = f"{BERT}encoder.layer.{i}."
        x = attention(layer + "attention", x, x)
        rows, text = x[:, :count], x[:, count:]
        if i % every == 0:
            rows = attention(layer + "crossattention", rows, image)
        x = torch.cat([feed_forward(layer, "_query", rows), feed_forward(layer, "", text)], 1)
    return x[:, :count]


def visual_tokens(get: Get, pixels: torch.Tensor, question: torch.Tensor, config: Any) -> Any:
    """[F * 2, H] with content tokens by mean: context, content, context, content, …"""
    vision, qf = config.vision_config, config.qformer_config
    x = eva_tower(get, pixels, vision.num_hidden_layers, vision.num_attention_heads)
    z = norm(get, "model.vlm_att_ln", x, 1e-5)
    every = qf.cross_attention_frequency
    hidden = qformer(get, question, z, qf.num_hidden_layers, qf.num_attention_heads, every)
    text = linear(get, "model.vlm_att_projector", hidden)
    patches = x[:, 1:]
    keys = linear(get, "model.vlm_att_key_projector", patches)
    weights = (text @ keys.transpose(1, 2) / math.sqrt(keys.shape[-1])).softmax(-1)
    pooled = (weights @ patches).mean(1, keepdim=True)
    context = linear(get, "model.vlm_att_val_projector", pooled)
    content = F.gelu(linear(get, "model.mm_projector.0", patches.mean(1, keepdim=True)))
    content = linear(get, "model.mm_projector.2", content)
    return torch.cat([context, content], 1).flatten(0, 1)


def llama(get: Get, x: torch.Tensor, config: Any) -> torch.Tensor:
    """Logits [1, T, V] of embeddings [1, T, H]."""
    heads, eps, length = config.num_attention_heads, config.rms_norm_eps, x.shape[1]
    size = config.hidden_size // heads
    rope = config.rope_parameters
    angles = torch.arange(length)[:, None] / rope.get("factor", 1.0)
    angles = angles * rope["rope_theta"] ** (-torch.arange(0, size, 2) / size)
    angles = torch.cat([angles, angles], -1)
    mask = torch.full((length, length), -math.inf).triu(1)

    def rms(name: str, x: torch.Tensor) -> torch.Tensor:
        return get(name) * x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)

    def rotate(x: torch.Tensor) -> torch.Tensor:
        parts = x.unflatten(-1, (heads, size)).transpose(1, 2)
        half = torch.cat([-parts[..., size // 2 :], parts[..., : size // 2]], -1)
        return (parts * angles.cos() + half * angles.sin()).transpose(1, 2).flatten(2)

    for i in range(config.num_hidden_layers):
        layer = f"model.layers.{i}."
        h = rms(layer + "input_layernorm.weight", x)
        q, k, v = (linear(get, f"{layer}self_attn.{p}_proj", h, bias=False) for p in "qkv")
        h = attend(rotate(q), rotate(k), v, heads, mask)
        x = x + linear(get, layer + "self_attn.o_proj", h, bias=False)
        h = rms(layer + "post_attention_layernorm.weight", x)
        gate, up = (linear(get, f"{layer}mlp.{p}_proj", h, bias=False) for p in ("gate", "up"))
        x = x + linear(get, layer + "mlp.down_proj", F.silu(gate) * up, bias=False)
    return rms("model.norm.weight", x) @ get("lm_head.weight").T


def probe(config: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The fixed prompt: two frames of smooth colour, question ids, text ids around the video."""
    size = config.vision_config.image_size
    ramp = torch.linspace(-1.5, 1.5, size)
    frame = torch.stack(
        [ramp[:, None].expand(size, size), ramp.expand(size, size), ramp.outer(ramp)]
    )
    return (
        torch.stack([frame, -frame.flip(2)]),
        torch.tensor([QUESTION_IDS]),
        torch.tensor([PROMPT_IDS]),
    )


@torch.no_grad()
def source_logits(get: Get, config: Any) -> torch.Tensor:
    """Logits of the fixed prompt, from source tensors alone."""
    pixels, question, prompt = probe(config)
    tokens = visual_tokens(get, pixels, question, config)
    table = get("model.embed_tokens.weight")
    x = torch.cat([table[prompt[0, :2]], tokens, table[prompt[0, 2:]]])[None]
    return llama(get, x, config.text_config)


@torch.no_grad()
def port_logits(model: Any) -> torch.Tensor:
    """Logits of the fixed prompt, from the converted model."""
    pixels, question, prompt = probe(model.config)
    video = torch.full((1, 2 * len(pixels)), model.config.video_token_id)
    ids = torch.cat([prompt[:, :2], video, prompt[:, 2:]], 1)
    return model(input_ids=ids, pixel_values_videos=pixels, qformer_input_ids=question).logits


def _rounded(get: Get, dtype: torch.dtype) -> Get:
    return lambda name: get(name).to(dtype).float()


def verify(request: Request) -> float:
    """Largest logit difference on the fixed prompt; raises ValueError above the tolerance."""
    model = AutoModel.from_pretrained(
        Path(request.out).resolve(), trust_remote_code=True, dtype=torch.float32
    ).eval()
    model.config.compress_type = "mean"  # grids and patches share every tensor with the mean
    read = source_reader(request, read_json(request.source / "config.json"))
    if request.dtype is not None:  # the source rounded alike: what is left is the port's own
        read = _rounded(read, request.dtype)
    difference = float((source_logits(read, model.config) - port_logits(model)).abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(
            f"logits differ by {difference:.3g} from the source's: expected at most {TOLERANCE}"
        )
    return difference


__all__ = ["port_logits", "source_logits", "verify"]
