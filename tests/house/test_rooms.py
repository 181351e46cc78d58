"""The room law and the names that would shadow a library, checked on the source with `ast`."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from places import ROOT

ROOMS = ("dataset_builder", "model_card", "trainer", "space", "release", "demo")
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def absolute_imports(path: Path) -> set[str]:
    """Top-level names that a file imports absolutely, wherever the import stands in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_imports_another(path: Path):
    strangers = (absolute_imports(path) & {*ROOMS, "tests"}) - {room_of(path)}
    assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


@pytest.mark.parametrize("room", ["dataset_builder", "trainer", "space", "release", "demo"])
def test_no_file_shadows_a_library(room: str):
    # `python trainer/sft.py` puts trainer/ first on sys.path, where a trainer/evaluate.py
    # would become everybody's `import evaluate`
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    stems = {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__", "__main__"}
    assert not stems & taken, f"{room}/ shadows {sorted(stems & taken)}"


MODEL_CARD = ROOT / "model_card"


def relative_imports(path: Path) -> set[str]:
    """Modules that a file imports as `from .name import …`; any deeper form stays as written."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    nodes = [node for node in tree if isinstance(node, ast.ImportFrom) and node.level]
    return {"." * (node.level - 1) + str(node.module) for node in nodes}


def test_what_is_uploaded_of_model_card_is_flat():
    # the Hub's remote-code copier follows `from .name import Thing` and nothing else
    uploaded = {path.stem: path for path in MODEL_CARD.glob("*_llava_vid.py")}
    commands = {path.stem for path in MODEL_CARD.glob("*.py")} - set(uploaded)
    assert commands == {"assemble", "convert_llama_vid"}
    siblings = {path.stem for path in MODEL_CARD.rglob("*.py")} | {"assembling", "converting"}
    for path in uploaded.values():
        assert not absolute_imports(path) & siblings, path.name
        assert relative_imports(path) <= set(uploaded), path.name
        words = path.read_text(encoding="utf-8")
        assert "assembling" not in words, path.name
        assert "converting" not in words, path.name


def test_the_processor_and_the_model_carry_every_uploaded_file():
    reached, waiting = set(), ["modeling_llava_vid", "processing_llava_vid"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += relative_imports(MODEL_CARD / f"{name}.py")
    assert reached == {path.stem for path in MODEL_CARD.glob("*_llava_vid.py")}


def test_converting_may_use_assembling_and_never_back():
    for path in (MODEL_CARD / "assembling").glob("*.py"):
        assert "converting" not in absolute_imports(path), path.name
    for folder in ("assembling", "converting"):
        text = (MODEL_CARD / folder / "__init__.py").read_text(encoding="utf-8")
        assert len(ast.parse(text).body) == 1, folder
        assert ast.get_docstring(ast.parse(text)), folder


def test_a_benchmark_measures_one_room():
    for path in (ROOT / "benchmarks").glob("*.py"):
        measured = absolute_imports(path) & set(ROOMS)
        assert len(measured) <= 1, f"{path.name} imports {sorted(measured)}"


def test_the_law_sees_a_violation(tmp_path: Path):
    stray = tmp_path / "stray.py"
    stray.write_text("def late():\n    from dataset_builder.schema import Sample\n")
    assert absolute_imports(stray) == {"dataset_builder"}


# dataset_builder: a file imports from its own folder, or from one further left
ORDER = (
    "errors schema vocabulary|allowed|sections|settings|work|run|ledger|rules|funnel|read|text|"
    "decode|fetch|media|annotate|samples|shards|forget|pipeline|commands|"
    "cli blift synthetic|__main__"
)
RANK = {name: rank for rank, level in enumerate(ORDER.split("|")) for name in level.split()}
BUILDER = ROOT / "dataset_builder"
FILES = sorted(BUILDER.rglob("*.py"))
MOST_MODULES = 12


def builder_imports(path: Path) -> set[str]:
    """What a file of the builder imports from it, as `folder.module` or `module`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {
                alias.name for alias in node.names if alias.name.startswith("dataset_builder.")
            }
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] == "dataset_builder"
        ):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name for name in names if _is_module(name)} or {str(node.module)}
        if isinstance(node, ast.ImportFrom) and node.level:
            found.add(f"dataset_builder.relative-import-in-{path.name}")  # no rank: refused
    return {name.removeprefix("dataset_builder.") for name in found}


def _is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def upward(path: Path, inside: Path) -> list[str]:
    """The imports of a file that the order of folders forbids."""
    here = inside.parts[0].removesuffix(".py")
    folders = {name.split(".")[0] for name in builder_imports(path)} - {here}
    return sorted(there for there in folders if RANK.get(there, len(RANK)) >= RANK[here])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BUILDER)))
def test_folders_import_downwards_only(path: Path):
    if path.parent != BUILDER or path.stem != "__init__":
        assert upward(path, path.relative_to(BUILDER)) == []


def test_no_two_modules_import_each_other():
    graph = {
        ".".join(path.relative_to(BUILDER).with_suffix("").parts): builder_imports(path)
        for path in FILES
    }
    below: dict[str, set[str]] = {}

    def reached(name: str) -> set[str]:
        if name not in below:
            below[name] = set()  # a circle comes back here and finds itself
            for other in graph.get(name, ()):
                below[name] |= {other} | reached(other)
        return below[name]

    assert [name for name in graph if name in reached(name)] == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda p: p.name)
def test_a_folder_is_small_and_says_what_it_is(folder: Path):
    modules = [path for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= MOST_MODULES, sorted(path.name for path in modules)
    (statement,) = ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    assert "\n" not in str(statement.value.value)


def test_the_order_sees_a_violation(tmp_path: Path):
    stray = tmp_path / "stray.py"
    stray.write_text("def late():\n    from dataset_builder.pipeline.build import build\n")
    assert upward(stray, Path("read/stray.py")) == ["pipeline"]
    assert upward(stray, Path("commands/stray.py")) == []
