"""A model folder on its own: copied, in another process and working directory, offline."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from model.fixtures import MODEL_CARD, assembled_tiny, code

AUTO_MAP = {
    "AutoConfig": "configuration_llava_vid.LlavaVidConfig",
    "AutoModel": "modeling_llava_vid.LlavaVidForConditionalGeneration",
    "AutoModelForImageTextToText": "modeling_llava_vid.LlavaVidForConditionalGeneration",
    "AutoModelForMultimodalLM": "modeling_llava_vid.LlavaVidForConditionalGeneration",
    "AutoProcessor": "processing_llava_vid.LlavaVidProcessor",
}
STRANGER = """
import json, sys
from pathlib import Path
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor
folder = sys.argv[1]
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
question = [{"type": "text", "text": "What is this?"}, {"type": "image", "image": sys.argv[2]}]
batch = processor.apply_chat_template([{"role": "user", "content": question}], tokenize=True,
                                      return_dict=True, add_generation_prompt=True)
answers = []
for auto in (AutoModel, AutoModelForImageTextToText):
    model = auto.from_pretrained(folder, trust_remote_code=True).eval()
    answers.append(model.generate(**batch, max_new_tokens=6, do_sample=False)[0].tolist())
home = str(Path(sys.argv[3]))
strays = [m.__file__ for m in list(sys.modules.values())
          if str(getattr(m, "__file__", None) or "").startswith(home)
          and ".venv" not in str(m.__file__)]
print(json.dumps({"answers": answers, "type": config.model_type, "strays": strays}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assembled_tiny(tmp_path_factory.mktemp("tiny"))


def test_a_stranger_loads_a_copy_elsewhere_offline(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "some where" / "copied-model"
    shutil.copytree(folder, copy)
    (tmp_path / "cwd").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_"))}
    run = subprocess.run(
        [sys.executable, "-c", STRANGER, copy, tmp_path / "a.png", MODEL_CARD.parent],
        cwd=tmp_path / "cwd",
        env={**clean, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["type"] == "llava_vid"
    assert told["strays"] == []
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    image = {"type": "image", "image": str(tmp_path / "a.png")}
    chat = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}]
    batch = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, add_generation_prompt=True
    )
    tokens = model.generate(**batch, max_new_tokens=6, do_sample=False)[0].tolist()
    assert told["answers"] == [tokens, tokens]


def test_all_auto_classes_give_the_generating_class(folder: Path) -> None:
    models = [
        auto.from_pretrained(folder, trust_remote_code=True)
        for auto in (AutoModel, AutoModelForImageTextToText)
    ]
    assert type(models[0]) is type(models[1])
    assert type(models[0]).__name__ == "LlavaVidForConditionalGeneration"
    assert type(AutoConfig.from_pretrained(folder, trust_remote_code=True)).__name__ == (
        "LlavaVidConfig"
    )
    assert all(not p.requires_grad for p in models[0].model.vision_tower.parameters())


def needed_code() -> set[str]:
    return {path.name for path in MODEL_CARD.glob("*_llava_vid.py")} - {"convert_llama_vid.py"}


@pytest.mark.parametrize("way", ["head", "base", "config", "again"])
def test_every_way_of_saving_writes_the_whole_auto_map(
    folder: Path, tmp_path: Path, way: str
) -> None:
    model: Any = AutoModel.from_pretrained(folder, trust_remote_code=True)
    # What a config loaded from the Hub looks like: it must not come back out.
    model.config.auto_map = {k: f"someone/else--{v}" for k, v in AUTO_MAP.items()}
    if way == "head":
        model.save_pretrained(tmp_path)
    if way == "base":
        model.model.save_pretrained(tmp_path)
    if way == "config":
        model.config.save_pretrained(tmp_path)
    if way == "again":
        model.save_pretrained(tmp_path / "once")
        AutoModel.from_pretrained(tmp_path / "once", trust_remote_code=True).save_pretrained(
            tmp_path
        )
    saved = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert saved["auto_map"] == AUTO_MAP
    assert (tmp_path / "configuration_llava_vid.py").is_file()
    if way != "config":
        AutoProcessor.from_pretrained(folder, trust_remote_code=True).save_pretrained(tmp_path)
        assert needed_code() <= {path.name for path in tmp_path.glob("*.py")}
        again = AutoModel.from_pretrained(tmp_path, trust_remote_code=True)
        assert type(again).__name__ == "LlavaVidForConditionalGeneration"


def test_the_folder_holds_what_the_hub_needs(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "qformer_tokenizer/tokenizer.json",
        "chat_template.jinja",
        "requirements.txt",
        *needed_code(),
    } <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_the_code_copies_itself_from_the_source_folder(tmp_path: Path) -> None:
    """A class that was loaded from `model_card/`, not from a model folder."""
    from model.fixtures import tiny_model

    model = tiny_model()
    model.save_pretrained(tmp_path)
    assert {"modeling_llava_vid.py", "visual_llava_vid.py"} <= {p.name for p in tmp_path.iterdir()}
    again = AutoModel.from_pretrained(tmp_path, trust_remote_code=True)
    assert again.config.to_dict()["auto_map"] == AUTO_MAP
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert code("configuration_llava_vid.AUTO_MAP") == AUTO_MAP


CACHED = """
import json
from transformers import AutoModel, AutoProcessor
from trainer.provenance import model_revision
AutoModel.from_pretrained("me/m", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("me/m", trust_remote_code=True)
words = processor.qformer_tokenizer.get_vocab()
own = words != processor.tokenizer.get_vocab()
print(json.dumps({"own": own, "commit": model_revision("me/m", None)}))
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cache_of(folder: Path, home: Path) -> dict[str, str]:
    """An offline cache as `hf download me/m` leaves it; the environment that uses it."""
    repo = home / "hub" / "models--me--m"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, repo / "snapshots" / COMMIT)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_"))}
    here = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(MODEL_CARD.parent)}
    return {**clean, **here}


def load_cached(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CACHED]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_downloaded_copy_has_both_tokenizers_and_names_its_commit(
    folder: Path, tmp_path: Path
) -> None:
    environment = cache_of(folder, tmp_path / "home")
    run = load_cached(tmp_path, environment)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {"own": True, "commit": COMMIT}
    # without the mark the library takes the language model's tokenizer for both: refused
    snapshot = tmp_path / "home" / "hub" / "models--me--m" / "snapshots" / COMMIT
    (snapshot / "qformer_tokenizer" / "config.json").unlink()
    run = load_cached(tmp_path, environment)
    assert run.returncode != 0
    assert "is the folder qformer_tokenizer complete?" in run.stderr


def test_a_long_strip_of_a_picture_takes_no_gigabytes(folder: Path) -> None:
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    square = code("media_llava_vid.pad_to_square")(Image.new("RGB", (40_000, 10)), [0.5] * 3)
    assert max(square.size) <= code("media_llava_vid.MAX_SIDE")
    chat = [
        {"role": "user", "content": [{"type": "image", "image": Image.new("RGB", (40_000, 10))}]}
    ]
    batch = processor.apply_chat_template(chat, tokenize=True, return_dict=True)
    assert len(batch["pixel_values"]) == 1
