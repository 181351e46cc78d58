"""A released LLaMA-VID folder to a LlavaVid folder, shard by shard."""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from assembling.parts import MODEL_CARD, model_code
from safetensors.torch import save_file
from tqdm import tqdm
from transformers import GenerationConfig
from transformers.dynamic_module_utils import custom_object_save

from .config import llava_vid_config, read_json
from .files import Source, first_line, open_shard
from .names import place, qkv_bias
from .processor import bert_heads, converted_processor
from .sources import Request, read_source, source_tensors

MODEL = "modeling_llava_vid.LlavaVidForConditionalGeneration"
REPORT = "conversion_report.json"
MODEL_FILES = ("config.json", "*.safetensors", "*.bin", "*.pth")


@dataclass
class Plan:
    """Targets in writing order, each with the sources that fill it, and what happens to every
    source tensor (name, shape, file, target or reason)."""

    targets: dict[str, dict[str, Source]] = field(default_factory=dict)
    report: list[dict[str, Any]] = field(default_factory=list)


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
        expected = model_code(MODEL)(config).state_dict()
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


def output_files(
    plan: Plan, dtype: torch.dtype | None, limit: int
) -> list[tuple[Path, dict[str, torch.dtype]]]:
    """What each output file holds: the source file it is read from, and target names with types.

    A target goes with the file of its last source, so at most two source files are open (mapped),
    and no output holds more than `limit` bytes (but for a tensor that is larger alone).
    """
    groups: dict[Path, list[dict[str, torch.dtype]]] = {}
    sizes: dict[Path, int] = {}
    for name, sources in plan.targets.items():
        file = list(sources.values())[-1].file
        kept = dtype or next(iter(sources.values())).dtype
        size = math.prod(_target_shape(sources)) * kept.itemsize
        parts = groups.setdefault(file, [])
        if not parts or sizes[file] + size > limit:
            parts.append({})
            sizes[file] = 0
        parts[-1][name] = kept
        sizes[file] += size
    return [(file, part) for file, parts in groups.items() for part in parts]


def write_weights(plan: Plan, out: Path, dtype: torch.dtype | None, limit: int) -> int:
    """The output files and their index; returns bytes of tensor data."""
    outputs = output_files(plan, dtype, limit)
    weight_map, total = {}, 0
    with tqdm(total=len(plan.targets), desc="tensors", unit="tensor") as bar:
        for number, (file, kept) in enumerate(outputs, start=1):
            target = out / f"model-{number:05d}-of-{len(outputs):05d}.safetensors"
            total += _write(_tensors(plan, file, kept, bar.update), target)
            weight_map.update(dict.fromkeys(kept, target.name))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), "utf-8")
    return total


def _write(tensors: dict[str, torch.Tensor], target: Path) -> int:
    """A whole file or none; returns its bytes of tensor data. A function of its own, so that one
    output's tensors are gone before the next one's are made."""
    partial = target.with_name(target.name + ".part")
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.replace(target)
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())


def _tensors(
    plan: Plan, file: Path, kept: Mapping[str, torch.dtype], tick: Callable[[], Any]
) -> dict[str, torch.Tensor]:
    """The tensors of one output, mapped from the source file where nothing changes their type."""
    shards = {file: open_shard(file)}

    def tensor_of(name: str) -> torch.Tensor:
        tick()
        parts = {}
        for part, source in plan.targets[name].items():
            shard = shards.get(source.file)
            parts[part] = read_source(source, open_shard(source.file) if shard is None else shard)
        whole = parts[""] if "" in parts else qkv_bias(parts)
        return whole.to(kept[name]).contiguous()

    return {name: tensor_of(name) for name in kept}


def convert(request: Request) -> dict[str, Any]:
    """Converts a folder and returns the summary; the full report is `conversion_report.json`.

    Raises ValueError before anything is written where a tensor is left over, missing or misshapen.
    """
    check_folders(request)
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
        note = f"NOT WRITTEN, convert again with --bert: {first_line(error)}"
    config.dtype = request.dtype or plan.targets["lm_head.weight"][""].dtype
    clear(request.out)
    total = write_weights(plan, request.out, request.dtype, request.max_file_bytes)
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


def check_folders(request: Request) -> None:
    """Raises ValueError where OUT holds a model that is no earlier conversion: what is left of it
    would be loaded instead of ours."""
    out = request.out.resolve()
    if out in [folder.resolve() for folder in (request.source, request.base) if folder]:
        raise ValueError(f"{request.out} is a folder to convert: give another one to write to")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{request.out} is a file: give a folder to write to")
    held = [found.name for pattern in MODEL_FILES for found in out.glob(pattern)]
    if held and not (out / REPORT).is_file():
        raise ValueError(f"{request.out} holds another model ({held[0]}): give an empty folder")


def clear(out: Path) -> None:
    """An output folder without an earlier conversion's weights, marked as ours."""
    out.mkdir(parents=True, exist_ok=True)
    for stale in list(out.glob("*.safetensors*")):
        stale.unlink()
    (out / REPORT).write_text(json.dumps({"summary": "unfinished"}), "utf-8")


def save_rest(request: Request, config: Any, processor: Any) -> None:
    """Everything of the folder but the weights: configs, processor, code, requirements."""
    with torch.device("meta"):
        model = model_code(MODEL)(config)
    custom_object_save(model, request.out, config=config)
    config.save_pretrained(request.out)
    if processor is not None:
        processor.save_pretrained(request.out)
    GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    ).save_pretrained(request.out)
    shutil.copyfile(MODEL_CARD / "requirements.txt", request.out / "requirements.txt")


__all__ = ["convert"]
