# ruff: noqa: E501  (one offence, one line)
"""A model folder with one hostile thing in it is refused, by the name of that thing."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from publishing.made import AUTO_MAP, CARD, MODELING, TEMPLATE, make_staged_model, seal
from release.gates.check import check_folder
from release.gates.gate import Refused

Spoil = Callable[[Path], object]


class Bomb:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_staged_model(tmp_path_factory.mktemp("gates") / "model")


@pytest.fixture
def model(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def write(name: str, data: bytes | str) -> Spoil:
    """Put a file there (or another content into one)."""

    def spoil(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    return spoil


def edit(name: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return spoil


def settings(name: str, **values: object) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / name
        old = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(old | values))

    return spoil


def weights(**arrays: np.ndarray) -> Spoil:
    return lambda folder: save_file(arrays, folder / "model.safetensors", {"format": "pt"})


def raw_weights(header: dict, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def zipped(name: str, data: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(name, data)
    return found.getvalue()


def link(name: str, to: str) -> Spoil:
    return lambda folder: (folder / name).symlink_to(to)


def many(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(10_000):
        (folder / "many" / f"{number}.json").touch()


def huge(folder: Path) -> None:
    with (folder / "huge.safetensors").open("wb") as file:
        file.truncate(201 * 10**9)  # sparse: no byte is on the disk


BOMB, OLD_BOMB = pickle.dumps(Bomb()), pickle.dumps(Bomb(), protocol=0)
F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3f"
HOSTILE: dict[str, tuple[Spoil, str]] = {
    # pickles under any name
    "pickle .bin": (write("pytorch_model.bin", BOMB), r"pytorch_model\.bin: \.bin does not leave"),
    "pickle .pt": (write("optimizer.pt", BOMB), r"optimizer\.pt: \.pt does not leave"),
    "pickle as safetensors": (write("extra.safetensors", BOMB), r"extra\.safetensors.*pickle"),
    "pickle as txt": (write("vocab.txt", OLD_BOMB), r"vocab\.txt.*pickle"),
    "pickle as json": (write("extra.json", BOMB), r"extra\.json.*(pickle|UTF-8)"),
    "pickle in a zip as json": (write("extra.json", zipped("data.pkl", BOMB)), r"extra\.json.*zip"),
    "pickle in a zip as safetensors": (write("x.safetensors", zipped("d.pkl", BOMB)), r"x\.safetensors.*zip"),
    "gzip as txt": (write("vocab.txt", b"\x1f\x8b\x08" + bytes(40)), r"vocab\.txt.*gzip"),
    "numpy objects as csv": (write("x.csv", b"\x93NUMPY\x01\x00" + BOMB), r"x\.csv.*numpy"),
    "program as txt": (write("run.txt", b"\x7fELF" + bytes(60)), r"run\.txt.*ELF"),
    "pickle as tokenizer model": (write("tokenizer.model", BOMB), r"tokenizer\.model.*(pickle|sentencepiece)"),
    # weights
    "weights are garbage": (write("model.safetensors", b"\x05" * 64), r"does not open as safetensors"),
    "weights are cut": (lambda f: os.truncate(f / "model.safetensors", 90), r"does not open as safetensors"),
    "weights have a tail": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes() + b"MZtail"),
        r"does not open as safetensors"),
    "weights overlap": (write("model.safetensors", raw_weights({"a": F32, "b": F32}, bytes(4))), r"does not open"),
    "weights have a hole": (
        write("model.safetensors", raw_weights({"a": F32, "b": F32 | {"data_offsets": [8, 12]}}, bytes(12))),
        r"does not open"),
    "weights' header is absurd": (write("model.safetensors", struct.pack("<Q", 10**12) + b"{}"), r"does not open"),
    "weights hold NaN": (weights(w=np.array([1, np.nan], "float32")), r"tensor w holds NaN"),
    "weights hold Inf": (weights(w=np.array([1, np.inf], "float16")), r"tensor w holds NaN or Inf"),
    "weights carry a message": (
        write("model.safetensors", raw_weights({"__metadata__": {"note": "x"}, "a": F32}, bytes(4))),
        r"holds metadata \['note'\]"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"no \.safetensors file"),
    "pointer in place of weights": (
        write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
        r"pointer file"),
    "index names a missing tensor": (
        write("model.safetensors.index.json", json.dumps({"weight_map": {"gone": "model.safetensors"}})),
        r"does not hold it"),
    "part without an index": (
        lambda f: (f / "model.safetensors").rename(f / "model-00001-of-00002.safetensors"), r"without an index"),
    # remote code
    "code imports a stranger": (edit("modeling_toy.py", "import torch\n", "import torch\nimport scipy\n"),
                                r"modeling_toy\.py:2: imports scipy"),
    "code imports a stranger late": (
        edit("modeling_toy.py", "    config_class", "    def f(self):\n        import cv2\n    config_class"),
        r"imports cv2"),
    "code imports the kit": (edit("modeling_toy.py", "import torch\n", "import torch\nimport trainer\n"),
                             r"imports trainer, which only exists"),
    "code imports a subpackage": (edit("modeling_toy.py", "from .configuration_toy", "from .sub.configuration_toy"),
                                  r"which the loader does not follow"),
    "code evals": (edit("modeling_toy.py", "import torch\n", "import torch\n\nX = eval('1')\n"), r"calls eval"),
    "code runs a command": (
        edit("modeling_toy.py", "import torch\n", "import torch\nimport os\n\n\ndef f():\n    os.system('x')\n"),
        r"calls os\.system"),
    "code unpickles": (
        edit("modeling_toy.py", "import torch\n", "import torch\n\n\ndef f(p):\n    return torch.load(p)\n"),
        r"calls torch\.load"),
    "code loads an unpinned model": (
        edit("processing_toy.py", "    attributes", "    def f(self):\n        return T.from_pretrained('a/b')\n\n    attributes"),
        r"loads 'a/b' without a revision"),
    "code nobody reaches": (write("helper.py", "X = 1\n"), r"helper\.py: no auto_map reaches"),
    "code is no Python": (edit("modeling_toy.py", "import torch", "import torch ("), r"no Python"),
    "code turned round": (edit("modeling_toy.py", "import torch\n", "import torch  # \u202e hidden\n"), r"another order"),
    "auto_map into another repository": (
        settings("config.json", auto_map=AUTO_MAP | {"AutoModel": "evil/repo--modeling_toy.ToyModel"}),
        r"code of another repository"),
    "auto_map deep in another JSON": (
        settings("processor_config.json", image_processor={"auto_map": {"AutoImageProcessor": "evil/r--m.C"}}),
        r"processor_config\.json: .*another repository"),
    "auto_map in a tokenizer list": (
        settings("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil/r--t.T", None]}), r"another repository"),
    "auto_map incomplete": (settings("config.json", auto_map={"AutoConfig": "configuration_toy.ToyConfig"}),
                            r"auto_map lacks AutoModel, AutoModelForImageTextToText, AutoProcessor"),
    "auto_map names a missing file": (
        settings("config.json", auto_map=AUTO_MAP | {"AutoModel": "gone.ToyModel"}), r"there is no gone\.py"),
    # settings and templates
    "path of this machine": (settings("config.json", _name_or_path="/home/me/model"), r"path of this machine"),
    "path in the card": (edit("README.md", "# Toy", "# Toy\n\nSee /root/secret/run for more."), r"README\.md:\d+: a path"),
    "vocabulary file outside": (settings("tokenizer_config.json", vocab_file="../../.env"), r"leads out of this folder"),
    "vocabulary file is .env": (settings("tokenizer_config.json", vocab_file=".env"), r"names '\.env'"),
    "a key twice": (write("config.json", '{"auto_map": {}, "a": 1, "a": 2}'), r"key 'a' stands twice"),
    "NaN in settings": (write("generation_config.json", '{"temperature": NaN}'), r"NaN is no JSON"),
    # secrets
    "Hub token": (edit("README.md", "# Toy", f"# Toy\n\nuse {TOKEN}"), r"looks like a Hugging Face token"),
    "OpenAI key": (settings("config.json", key="sk-proj-" + "a1B2" * 10), r"OpenAI"),
    "Google key": (settings("config.json", key="AIza" + "b" * 35), r"Google"),
    "GitHub token": (settings("config.json", key="ghp_" + "Ab1" * 12), r"GitHub"),
    "AWS key": (settings("config.json", key="AKIA" + "ABCD1234EFGH5678"), r"AWS"),
    "private key": (write("note.txt", "-----BEGIN RSA PRIVATE KEY-----\nMII\n"), r"private key"),
    "password in an address": (settings("config.json", url="https://me:hunter22@db.example.org/x"), r"address with a password"),
    "password in code": (edit("modeling_toy.py", "import torch\n", "import torch\n\nAPI_KEY = 'abcd1234efgh'\n"), r"password or key"),
    # names and kinds
    ".env": (write(".env", "X=1"), r"\.env never leaves"),
    ".git": (write(".git/config", "[core]"), r"\.git"),
    ".gitignore": (write(".gitignore", "*.safetensors"), r"\.gitignore never leaves"),
    "__pycache__": (write("__pycache__/m.pyc", b"\x00"), r"__pycache__"),
    "link to a file": (link("secret.txt", "/etc/passwd"), r"secret\.txt: a symbolic link"),
    "link to a folder": (link("etc", "/etc"), r"etc: a symbolic link"),
    "hard link": (lambda f: os.link(f / "config.json", f / "second.json"), r"hard link"),
    "pipe": (lambda f: os.mkfifo(f / "pipe.txt"), r"no regular file"),
    "program bit": (lambda f: (f / "modeling_toy.py").chmod(0o755), r"executable"),
    "two spellings": (write("CONFIG.json", "{}"), r"differs from .* in case"),
    "decomposed name": (write("e\u0301.txt", "x"), r"Unicode form NFC"),
    "foreign kind": (write("setup.sh", "rm -rf /"), r"\.sh does not leave"),
    "no suffix": (write("payload", "x"), r"no suffix does not leave"),
    "empty file": (write("empty.txt", ""), r"empty\.txt: empty"),
    "binary as text": (write("notes.md", b"\xff\xfe\x00"), r"no UTF-8"),
    "10,000 files in a folder": (many, r"10000 files in one folder"),
    "201 GB": (huge, r"201,000,000,000 bytes"),
    # card, licence, provenance, numbers
    "no card": (lambda f: (f / "README.md").unlink(), r"README\.md: missing"),
    "no front matter": (write("README.md", "# Toy\n"), r"no front matter"),
    "front matter twice a key": (edit("README.md", "license:", "license: mit\nlicense:"), r"stands twice"),
    "datasets: [null]": (edit("README.md", "datasets: [behavior-llava/blift]", "datasets: [null]"), r"datasets names None"),
    "license other, no name": (edit("README.md", "license: apache-2.0", "license: other"), r"license_name"),
    "verified by nobody": (
        edit("README.md", "tags:", "model-index:\n- name: x\n  results:\n  - task: {type: a}\n    dataset: {type: b, name: c}\n"
             "    metrics: [{type: m, value: 1, verified: true, args: {run_id: a}}]\ntags:"), r"says verified"),
    "template field": (edit("README.md", "# Toy", "# {{ title }}"), r"unrendered template field"),
    "placeholder": (edit("README.md", "# Toy", '# Toy\n\nrevision="<commit>"'), r"placeholder \(<commit>\)"),
    "active markup": (edit("README.md", "# Toy", "# Toy\n\n<script>x()</script>"), r"active markup"),
    "number without a run": (edit("README.md", "`7697c115f645`", "-"), r"0\.25 has no run"),
    "number nobody measured": (edit("README.md", "| 0.25 |", "| 0.99 |"), r"0\.99 is no value of results\.json"),
    "number in the prose": (edit("README.md", "## Results\n", "## Results\n\nIt reaches 99.5 here.\n"), r"without a run id"),
    "result without a run": (
        lambda f: (f / "results.json").write_text((f / "results.json").read_text().replace('"run_id"', '"x"')),
        r"row 0 has no run id"),
    "no licence": (lambda f: (f / "LICENSE").unlink(), r"LICENSE: missing"),
    "no provenance": (lambda f: (f / "training_manifest.json").unlink(), r"training_manifest\.json: missing"),
    "no data revision": (settings("training_manifest.json", dataset_revision=None), r"dataset_revision is None"),
    "no requirements": (lambda f: (f / "requirements.txt").unlink(), r"requirements\.txt"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_refused_by_name(name: str, model: Path):
    spoil, expected = HOSTILE[name]
    spoil(model)
    if name not in ("201 GB", "10,000 files in a folder"):  # hashing those takes long
        seal(model, "model")
    with pytest.raises(Refused, match=expected):
        check_folder(model, "model")


def test_a_file_that_is_not_in_the_manifest_is_refused(model: Path):
    (model / "stray.md").write_text("x")
    with pytest.raises(Refused, match=r"stray\.md: is not in manifest\.json"):
        check_folder(model, "model")


def test_the_card_of_these_tests_is_sound_without_the_offence(sound: Path):
    assert check_folder(sound, "model") == len(list(sound.iterdir()))
    assert "0.25" in CARD
    assert MODELING
    assert TEMPLATE


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"
TEMPLATES = {
    "never ends": (ENDLESS, "does not end within"),
    "endless output": ("{{ 'x' * 9999999 }}", "renders 9,999,999 characters"),
    "leaves the sandbox": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "leaves the sandbox"),
    "is no template": ("{% for %}", "is no template"),
}


def test_templates_that_do_not_end_or_escape_are_refused(model: Path):
    for number, (text, _) in enumerate(TEMPLATES.values()):
        (model / f"chat_template_{number}.jinja").write_text(text)
    settings("tokenizer_config.json", chat_template=ENDLESS)(model)
    seal(model, "model")
    with pytest.raises(Refused) as refused:
        check_folder(model, "model")
    said = {r.path: r.cause for r in refused.value.refusals}
    for number, (_, expected) in enumerate(TEMPLATES.values()):
        assert expected in said[f"chat_template_{number}.jinja"]
    assert "does not end" in said["tokenizer_config.json"]


ACTS = {
    "socket.create_connection(('127.0.0.1', 9))": "connection",
    "subprocess_run = __builtins__['__im' + 'port__']('subprocess').check_call(['true'])": "starts a process",
    "open('/t' + 'mp/planted-by-a-model', 'w').close()": "writes",
    "open('/etc/passwd').read()": "reads /etc/passwd",
    "pathlib.Path('/' + 'root').iterdir().__next__()": "lists a folder",
    "ctypes.CDLL(None)": "calls ctypes.CDLL",
}


def test_what_code_does_while_it_is_imported_is_refused(model: Path):
    lines = "\n".join(f"try:\n    {act}\nexcept Exception:\n    pass" for act in ACTS)
    text = f"import ctypes\nimport pathlib\nimport socket\n\n{MODELING}\n{lines}\n"
    (model / "modeling_toy.py").write_text(text)
    seal(model, "model")
    with pytest.raises(Refused, match=r"calls ctypes\.CDLL"):  # found by reading
        check_folder(model, "model")
    (model / "modeling_toy.py").write_text(text.replace("ctypes.CDLL(None)", "pass"))
    seal(model, "model")
    with pytest.raises(Refused) as refused:  # the rest only by running
        check_folder(model, "model")
    said = "\n".join(map(str, refused.value.refusals))
    for act, expected in ACTS.items():
        if "CDLL" not in act:
            assert expected in said, act
