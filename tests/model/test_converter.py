"""The converter, on checkpoints made here and on the reference's own tiny checkpoint."""

import io
import json
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModel, AutoProcessor

from model.fixtures import (
    GOLDENS,
    MODEL_CARD,
    TEXT,
    golden_case,
    needs_goldens,
    script_main,
    source_names,
    tiny_model,
    workshop,
)

SHARDS = 4


def converter(*arguments: Any) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the converter's command line."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = script_main("convert_llama_vid.py")([str(a) for a in arguments])
        except SystemExit as end:
            status = int(str(end.code))
    errors = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
    return status, out.getvalue(), errors[0] if errors else err.getvalue()


def train_sentencepiece(folder: Path) -> None:
    """A tiny BPE model with Llama's settings and exactly the vocabulary size of the tiny model."""
    from sentencepiece import SentencePieceTrainer

    (folder / "text.txt").write_text((MODEL_CARD / "README.md").read_text("utf-8"), "utf-8")
    SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=640,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        hard_vocab_limit=False,
        minloglevel=2,
    )


def write_checkpoint(
    parent: Path, extra: dict[str, Any] | None = None, **config: Any
) -> tuple[Path, Any]:
    """A LLaMA-VID folder with the tensors of a random tiny LlavaVid, in shards, and that model."""
    folder = parent / "checkpoint"
    folder.mkdir(parents=True)
    model = tiny_model("sdpa")
    for layer in model.model.vision_tower.encoder.layers:
        torch.nn.init.normal_(layer.self_attn.qkv.bias)
        layer.self_attn.qkv.bias.data[64:128] = 0
    tensors = {**source_names(model), **(extra or {})}
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(12)
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    names = sorted(tensors)
    weight_map = {}
    for number in range(SHARDS):
        file = f"pytorch_model-{number + 1:05d}-of-{SHARDS:05d}.bin"
        shard = {name: tensors[name].clone() for name in names[number::SHARDS]}
        torch.save(shard, folder / file)
        weight_map |= dict.fromkeys(shard, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    source = {
        **{k: v for k, v in TEXT.items() if k != "model_type"},
        "model_type": "llava",
        "bert_type": "qformer_pretrain",
        "compress_type": "mean",
        "image_aspect_ratio": "pad",
        "mm_projector_type": "mlp2x_gelu",
        **config,
    }
    (folder / "config.json").write_text(json.dumps(source))
    train_sentencepiece(folder)
    bert = parent / "bert-base-uncased"
    bert.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 123))]
    (bert / "vocab.txt").write_text("\n".join(words))
    bert_config = {"model_type": "bert", "num_attention_heads": 4, "vocab_size": len(words)}
    (bert / "config.json").write_text(json.dumps(bert_config))
    (bert / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    return folder, model


def request(source: Path, out: Path, **fields: Any) -> Any:
    return workshop("converting.sources.Request")(source=source, out=out, **fields)


def convert(wanted: Any) -> None:
    workshop("converting.convert.convert")(wanted)


def test_conversion_keeps_every_tensor_and_verifies(tmp_path: Path) -> None:
    source, model = write_checkpoint(tmp_path)
    status, out, err = converter(source, tmp_path / "out", "--verify", "--json")
    assert status == 0, err
    summary = json.loads(out)
    assert summary["dropped"] == 1
    assert summary["logits_difference"] < 1e-3
    loaded, info = AutoModel.from_pretrained(
        tmp_path / "out", trust_remote_code=True, output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    report = json.loads((tmp_path / "out" / "conversion_report.json").read_text())["tensors"]
    index = json.loads((source / "pytorch_model.bin.index.json").read_text())
    assert {entry["source"] for entry in report} == set(index["weight_map"])
    assert all(("target" in entry) != ("dropped" in entry) for entry in report)
    processor = AutoProcessor.from_pretrained(tmp_path / "out", trust_remote_code=True)
    chat = [{"role": "user", "content": "hi"}]
    batch = processor.apply_chat_template(chat, tokenize=True, return_dict=True)
    assert loaded(**batch).logits.shape[-1] == 640


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"model.surprise.weight": torch.zeros(3)}, "1 tensors have no place"),
        ({"model.norm.weight": None}, "1 parameters get no tensor"),
        ({"model.norm.weight": torch.zeros(7)}, "model.language_model.norm.weight"),
        ({"model.layers.7.mlp.up_proj.weight": torch.zeros(2, 2)}, "have no parameter"),
    ],
)
def test_leftover_missing_and_misshapen_tensors_fail_before_writing(
    tmp_path: Path, extra: dict[str, Any], told: str
) -> None:
    source, _ = write_checkpoint(tmp_path, extra)
    status, _, err = converter(source, tmp_path / "out")
    assert status == 1
    assert told in err
    assert not list((tmp_path / "out").glob("*.safetensors"))


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({"compress_type": "grid:2"}, "compress_type", "grid:2"),
        ({"compress_type": None}, "compress_type", "none"),
    ],
)
def test_compress_types(tmp_path: Path, config: dict[str, Any], field: str, value: str) -> None:
    source, _ = write_checkpoint(tmp_path, **config)
    convert(request(source, tmp_path / "out"))
    assert (
        getattr(AutoConfig.from_pretrained(tmp_path / "out", trust_remote_code=True), field)
        == value
    )
    processor = AutoProcessor.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert processor.compress_type == value


def test_long_context_becomes_rope_parameters(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path, rope_scaling={"type": "linear", "factor": 16.0})
    status, _, err = converter(source, tmp_path / "out", "--verify")
    assert status == 0, err
    config = AutoConfig.from_pretrained(tmp_path / "out", trust_remote_code=True)
    rope = {"rope_type": "linear", "factor": 16.0, "rope_theta": 10000.0}
    assert config.text_config.rope_parameters == rope
    processor = AutoProcessor.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert processor.max_length == 65536


def test_unknown_variants_are_refused(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path, bert_type="raw_bert")
    status, _, err = converter(source, tmp_path / "out")
    assert status == 1
    assert "bert_type" in err
    assert converter(source)[0] == 2
    assert "not there" in converter(tmp_path / "nothing", tmp_path / "out")[2]


def test_a_stage_1_adapter_needs_its_base_and_tower(tmp_path: Path) -> None:
    source, model = write_checkpoint(tmp_path)
    tensors = source_names(model)
    vision = workshop("converting.names.VISION")
    adapter, base = tmp_path / "adapter", tmp_path / "base"
    adapter.mkdir()
    base.mkdir()
    own = {k: v for k, v in tensors.items() if "vlm_att" in k or "mm_projector" in k}
    language = {k: v for k, v in tensors.items() if k not in own and not k.startswith(vision)}
    tower = {k.removeprefix(vision): v for k, v in tensors.items() if k.startswith(vision)}
    torch.save(own, adapter / "mm_projector.bin")
    torch.save(language, base / "pytorch_model.bin")
    tower |= {"norm.weight": torch.ones(64), "blocks.39.norm1.weight": torch.ones(64)}
    torch.save({"model": tower}, tmp_path / "eva.pth")
    (adapter / "config.json").write_text((source / "config.json").read_text())
    (base / "tokenizer.model").write_bytes((source / "tokenizer.model").read_bytes())
    assert "--base" in converter(adapter, tmp_path / "out")[2]
    assert "--vision-tower" in converter(adapter, tmp_path / "out", "--base", base)[2]
    status, _, err = converter(
        *(adapter, tmp_path / "out", "--base", base),
        *("--vision-tower", tmp_path / "eva.pth", "--verify"),
    )
    assert status == 0, err
    loaded = AutoModel.from_pretrained(tmp_path / "out", trust_remote_code=True)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_tower_file_is_resized_for_larger_pictures(tmp_path: Path) -> None:
    source, model = write_checkpoint(tmp_path, image_processor="./processor/clip-patch14-84")
    vision = workshop("converting.names.VISION")
    shards = sorted(source.glob("*.bin"))
    tower: dict[str, torch.Tensor] = {}
    for shard in shards:
        state = torch.load(shard, weights_only=True)
        tower |= {k.removeprefix(vision): v for k, v in state.items() if k.startswith(vision)}
        torch.save({k: v for k, v in state.items() if not k.startswith(vision)}, shard)
    torch.save(tower, tmp_path / "eva.pth")
    fields = {"vision_tower": tmp_path / "eva.pth"}
    convert(request(source, tmp_path / "out", **fields))
    loaded = AutoModel.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert loaded.config.num_patches == 36
    positions = loaded.model.vision_tower.embeddings.position_embedding
    original = model.model.vision_tower.embeddings
    expected = original.interpolate_pos_encoding(torch.zeros(1, 37, 64), 84, 84)
    assert torch.allclose(positions, expected, atol=1e-6)
    assert torch.equal(positions[:, 0], original.position_embedding[:, 0])


def test_the_dtype_is_kept_or_changed(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path)
    for shard in source.glob("*.bin"):
        state = torch.load(shard, weights_only=True)
        torch.save({k: v.bfloat16() for k, v in state.items()}, shard)
    convert(request(source, tmp_path / "kept"))
    assert (
        AutoModel.from_pretrained(tmp_path / "kept", trust_remote_code=True).dtype == torch.bfloat16
    )
    convert(request(source, tmp_path / "changed", dtype=torch.float32))
    assert (
        AutoModel.from_pretrained(tmp_path / "changed", trust_remote_code=True).dtype
        == torch.float32
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_narrower_dtype_is_verified_against_the_source_rounded_alike(
    tmp_path: Path, dtype: str
) -> None:
    source, _ = write_checkpoint(tmp_path)
    status, _, err = converter(source, tmp_path / "out", "--dtype", dtype, "--verify")
    assert status == 0, err


@pytest.mark.parametrize("name", ["vlm_att_query", "vision_tower.pos_embed", "qformer_words"])
def test_a_tensor_that_the_config_is_read_from_is_named_when_missing(
    tmp_path: Path, name: str
) -> None:
    names = {
        "vlm_att_query": "model.vlm_att_query",
        "vision_tower.pos_embed": workshop("converting.names.VISION") + "pos_embed",
        "qformer_words": workshop("converting.names.BERT") + "embeddings.word_embeddings.weight",
    }
    source, _ = write_checkpoint(tmp_path, {names[name]: None})
    status, _, err = converter(source, tmp_path / "out")
    assert status == 1
    assert f"no tensor {names[name]!r}" in err


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path)
    index = source / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../somewhere/file.bin"}}))
    status, _, err = converter(source, tmp_path / "out")
    assert status == 1
    assert "somewhere/file.bin" in err
    index.write_text(json.dumps({"weight_map": {"a": "broken.bin"}}))
    for content in (b"", b"hello", b"<html>not found</html>"):
        (source / "broken.bin").write_bytes(content)
        status, _, err = converter(source, tmp_path / "out")
        assert status == 1
        assert "broken.bin is not a plain PyTorch state dict" in err


def test_ctrl_c_ends_the_converter_with_130(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path)
    command = [sys.executable, str(MODEL_CARD / "convert_llama_vid.py"), str(source)]
    process = subprocess.Popen(
        [*command, str(tmp_path / "out")], stderr=subprocess.PIPE, text=True,
        # a shell's background jobs ignore SIGINT and hand that on to their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while not (tmp_path / "out").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "interrupted" in told
    assert "Traceback" not in told
    assert converter(source, tmp_path / "out", "--verify")[0] == 0


def test_only_an_earlier_conversion_is_written_over(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path)
    before = {file.name: file.read_bytes() for file in source.iterdir()}
    assert "give another one" in converter(source, source)[2]
    assert {file.name: file.read_bytes() for file in source.iterdir()} == before
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.safetensors").write_bytes(b"another model")
    assert "holds another model" in converter(source, out)[2]
    (out / "model.safetensors").unlink()
    assert converter(source, out)[0] == 0
    (out / "model-00009-of-00009.safetensors").write_bytes(b"of an earlier, larger one")
    assert converter(source, out, "--verify")[0] == 0
    assert not (out / "model-00009-of-00009.safetensors").exists()


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path)
    torch.save({"x": subprocess.Popen}, next(iter(sorted(source.glob("*.bin")))))
    status, _, err = converter(source, tmp_path / "out")
    assert status == 1
    assert "code in a checkpoint is never run" in err
    first = sorted(source.glob("*.bin"))[0]
    first.write_bytes(sorted(source.glob("*.bin"))[1].read_bytes()[:5000])
    assert "damaged" in converter(source, tmp_path / "out")[2]


def test_memory_stays_below_a_shard_and_two_gigabytes(tmp_path: Path) -> None:
    source, _ = write_checkpoint(tmp_path)
    script = (
        "import resource, sys; sys.argv = sys.argv[1:]; import runpy\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", script, str(MODEL_CARD / "convert_llama_vid.py")]
    run = subprocess.run(
        [*command, str(source), str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    status, peak = run.stdout.split()
    assert status == "0"
    assert int(peak) * 1024 < 2e9


def test_output_files_keep_their_size_and_together_hold_everything(tmp_path: Path) -> None:
    source, model = write_checkpoint(tmp_path)
    out, limit = tmp_path / "out", 300_000
    convert(request(source, out, max_file_bytes=limit))
    weight_map = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"]
    assert sorted(set(weight_map.values())) == sorted(f.name for f in out.glob("*.safetensors"))
    assert len(set(weight_map.values())) > SHARDS
    for file in out.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            tensors = [opened.get_tensor(name) for name in opened.keys()]  # noqa: SIM118
            assert opened.metadata() == {"format": "pt"}
        assert sum(t.numel() * 4 for t in tensors) <= limit or len(tensors) == 1
    loaded = AutoModel.from_pretrained(out, trust_remote_code=True)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert not list(out.glob("*.part"))


def test_the_legacy_tokenizer_equals_sentencepiece(tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    train_sentencepiece(tmp_path)
    fast = workshop("assembling.legacy_tokenizer.legacy_llama_tokenizer")(
        tmp_path / "tokenizer.model"
    )
    slow = SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    words = ["the", "model", "USER:", "ASSISTANT:", "日本", "naïve", "</s>", "<s>", "<0x0A>", "▁"]
    words += ["\n", "", "12.5%", "😀"]
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        picks = torch.randint(0, len(words), (6,), generator=generator).tolist()
        text = [" ", "", "\n"][picks[0] % 3].join(words[i] for i in picks)
        ids = fast(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ids == slow.encode(text), text
    assert fast("a")["input_ids"] == [1, *slow.encode("a")]


@needs_goldens
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_reference_checkpoint(tmp_path: Path, attention: str) -> None:
    status, out, err = converter(GOLDENS / "checkpoint_llamavid", tmp_path, "--verify", "--json")
    assert status == 0, err
    summary = json.loads(out)
    assert (summary["source_tensors"], summary["dropped"]) == (192, 3)
    model = AutoModel.from_pretrained(
        tmp_path, trust_remote_code=True, attn_implementation=attention
    ).eval()
    golden = golden_case("image_single")
    ids = golden["input_ids"][0].tolist()
    ids = [x for i in ids for x in ([model.config.image_token_id] * 2 if i == -200 else [i])]
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor([ids]),
            pixel_values=golden["images.0"][None],
            qformer_input_ids=golden["qformer_input_ids.0"],
        ).logits
    assert (logits - golden["logits"]).abs().max() < 5e-5
