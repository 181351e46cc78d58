"""FSDP 2 on the CPU: `fully_shard` with the recipe's wrapping policy, two real processes, gloo.

accelerate reaches its own FSDP branch on accelerators only, so the policy, the gathering and the
merging are tested on the library's primitives.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from trl import ModelConfig

from training.fixtures import ROOT, weights
from training.forked import CONTEXT, free_port

LORA = ModelConfig(use_peft=True, lora_r=4, lora_alpha=8, lora_dropout=0.0)


def batch_for(collator: Any, rows: Any, rank: int, processes: int, step: int) -> Any:
    """Pictures and videos with their texts; the same four rows however they are shared."""
    share = range(rank * 4 // processes, (rank + 1) * 4 // processes)
    return collator([{**rows[place], "turn": step} for place in share])


def train(
    base: str, out: str, release: str, rank: int, processes: int, port: int, adapters: bool
) -> None:
    """A few steps of plain gradient descent, then our own saving from gathered weights."""
    from peft import get_peft_model
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from trainer.checkpoint import load_model, merge
    from trainer.data.collator import Collator
    from trainer.data.rows import load_rows
    from trainer.freezing import adapter_config, freeze, release_bare, save_bare

    torch.manual_seed(0)
    model, processor = load_model(base, None)
    rows = load_rows(release, None, "train", None, streaming=False)
    collator = Collator(processor, {"all": 1.0, "comments": 1.0}, 0, None, "error")
    freeze(model, "paper")
    if adapters:
        config = adapter_config(LORA, "paper")
        assert config is not None
        model = get_peft_model(model, config)
        release_bare(model, "paper")
    if processes > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        torch.distributed.init_process_group("gloo", rank=rank, world_size=processes)
        mesh = init_device_mesh("cpu", (processes,))
        wrapped = [m for m in model.modules() if type(m).__name__ in policy()]
        assert wrapped
        for layer in wrapped:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    model.train()
    for step in range(3):
        batch = batch_for(collator, rows, rank, processes, step)
        tokens = (batch_for(collator, rows, 0, 1, step)["labels"][:, 1:] != -100).sum()
        loss = model(**batch, num_items_in_batch=tokens).loss * processes
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    state: Any = None
    if processes > 1:
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = get_model_state_dict(model, options=options)
    if rank == 0:
        folder = Path(out)
        folder.mkdir(parents=True)
        if adapters:
            model.save_pretrained(str(folder / "adapter"), state_dict=state)
            save_bare(model, folder / "adapter", state)
            merge(folder / "adapter", folder, base, None)
        else:
            model.save_pretrained(str(folder), state_dict=state)
    if processes > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def policy() -> list[str]:
    """The layers that the recipe shards one by one."""
    recipe = ROOT / "trainer" / "recipes" / "accelerate" / "fsdp.yaml"
    names = yaml.safe_load(recipe.read_text())["fsdp_config"]
    return names["fsdp_transformer_layer_cls_to_wrap"].split(",")


def run(base: Path, out: Path, release: Path, processes: int, adapters: bool) -> None:
    names = (str(base), str(out), str(release))
    shared = (processes, free_port(), adapters)
    children = [CONTEXT.Process(target=train, args=(*names, r, *shared)) for r in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * processes


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("adapters", [False, True], ids=["whole", "lora"])
def test_shards_train_and_save_what_one_process_does(
    adapters: bool, still: Path, release: Path, tmp_path: Path
) -> None:
    run(still, tmp_path / "one", release, 1, adapters)
    run(still, tmp_path / "two", release, 2, adapters)
    one, two, before = (weights(f) for f in (tmp_path / "one", tmp_path / "two", still))
    assert one.keys() == two.keys() == before.keys()
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-5 if adapters else 1e-4), name
    assert not torch.equal(one["model.vlm_att_query"], before["model.vlm_att_query"])
    layer = "model.language_model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(one[layer], before[layer])
    assert json.loads((tmp_path / "two" / "config.json").read_text())["model_type"] == "llava_vid"
