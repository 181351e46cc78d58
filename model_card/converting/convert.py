"""A released LLaMA-VID folder to a LlavaVid folder, shard by shard."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from assembling.parts import MODEL_CARD, model_code
from tqdm import tqdm
from transformers import GenerationConfig
from transformers.dynamic_module_utils import custom_object_save

from .config import llava_vid_config, read_json
from .files import Source, first_line, open_shard, write_safetensors
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
