"""Code that is loaded with the model: what it reaches, imports and says, read with `ast`."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from release.gates.gate import Refusal, Subject

OURS = {"dataset_builder", "trainer", "release", "model_card", "space", "demo", "tests"}
# names of calls that have no place in published code, with what to do instead
BANNED = {
    "eval": "parse it", "exec": "write the code out", "compile": "write the code out",
    "__import__": "import it at the top", "os.system": "leave it out", "os.popen": "leave it out",
    "pickle.load": "use safetensors or JSON", "pickle.loads": "use safetensors or JSON",
    "marshal.loads": "use JSON", "dill.load": "use safetensors", "dill.loads": "use safetensors",
    "joblib.load": "use safetensors", "torch.load": "use safetensors", "shelve.open": "use JSON",
    "yaml.load": "use yaml.safe_load", "importlib.import_module": "import it at the top",
    "subprocess.run": "leave it out", "subprocess.Popen": "leave it out",
    "subprocess.call": "leave it out", "subprocess.check_output": "leave it out",
    "numpy.load": "use safetensors", "np.load": "use safetensors", "ctypes.CDLL": "leave it out",
    "builtins.eval": "parse it", "builtins.exec": "write the code out",
    "torch.hub.load": "copy the code here", "pandas.read_pickle": "use Parquet",
}  # fmt: skip
AUTO = ("AutoConfig", "AutoModel", "AutoModelForImageTextToText", "AutoProcessor")


def auto_maps(subject: Subject) -> dict[str, str]:
    """Every `module.Class` that a JSON file of the folder lets the loader import, and where."""
    found: dict[str, str] = {}
    for path in subject.having(".json"):
        if path.endswith(("tokenizer.json", "manifest.json")):
            continue
        try:
            _collect(json.loads(subject.text(path)), found, path)
        except (ValueError, RecursionError):
            continue  # said by settings_are_sound
    return found


def _collect(value: object, found: dict[str, str], path: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "auto_map" and isinstance(inner, dict):
                names = [n for v in inner.values() for n in (v if isinstance(v, list) else [v])]
                found.update({str(name): path for name in names if name})
            _collect(inner, found, path)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, found, path)


def code_is_reachable(subject: Subject) -> Iterator[Refusal]:
    """The Auto classes are mapped, and exactly the code they reach is in the folder."""
    sources = {path.removesuffix(".py"): path for path in subject.having(".py")}
    maps = auto_maps(subject)
    config = json.loads(subject.text("config.json")) if "config.json" in subject.files else {}
    if not config:
        yield Refusal("config.json", "missing", "stage a model folder, as sft.py writes it")
    processor = "processor_config.json"
    mapped = dict(config.get("auto_map") or {})
    if processor in subject.files:
        mapped |= json.loads(subject.text(processor)).get("auto_map") or {}
    missing = [name for name in AUTO if name not in mapped] if sources or mapped else []
    if missing:
        yield Refusal("config.json", f"auto_map lacks {', '.join(missing)}", "save it with sft.py")
    reached: set[str] = set()
    for name, path in maps.items():
        module = name.rpartition(".")[0]
        if module not in sources:
            yield Refusal(path, f"auto_map names {name}, and there is no {module}.py", "add it")
        reached |= _closure(subject, sources, module, reached)
    for module in sorted(set(sources) - reached):
        yield Refusal(sources[module], "no auto_map reaches this code", "delete it")
    if maps and "requirements.txt" not in subject.files:
        yield Refusal("requirements.txt", "missing", "list what the model's code imports")


def _closure(subject: Subject, sources: dict[str, str], module: str, seen: set[str]) -> set[str]:
    """The module and all that it imports from its folder."""
    left, found = [module], set[str]()
    while left:
        name = left.pop()
        if name in found or name in seen or name not in sources:
            continue
        found.add(name)
        left += re.findall(r"^\s*from\s+\.(\w+)\s+import", subject.text(sources[name]), re.M)
    return found


def code_reads_well(subject: Subject) -> Iterator[Refusal]:
    """Imports stay inside folder and requirements; no call that runs what it is given."""
    allowed = allowed_imports(subject)
    for path in subject.having(".py"):
        try:
            tree = ast.parse(subject.text(path))
        except (SyntaxError, ValueError, RecursionError) as error:
            yield Refusal(path, f"no Python ({error})", "repair it")
            continue
        optional = _optional(tree) if subject.kind == "space" else set()
        for node in ast.walk(tree):
            if node not in optional:
                yield from _import(subject, path, node, allowed)
            yield from _call(subject.kind, path, node)


def _optional(tree: ast.Module) -> set[ast.AST]:
    """Imports that a Space may do without: inside `try`, with ImportError caught."""
    tried = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any(h.type is not None and "ImportError" in ast.unparse(h.type) for h in node.handlers)
    ]
    return {inner for node in tried for statement in node.body for inner in ast.walk(statement)}


def _import(subject: Subject, path: str, node: ast.AST, allowed: set[str]) -> Iterator[Refusal]:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.level == 0:
        names = [node.module or ""]
    elif subject.kind == "model":
        inside = node.module and "." not in node.module and f"{node.module}.py" in subject.files
        if node.level != 1 or not inside:
            cause = f"imports .{node.module or ''}, which the loader does not follow"
            yield Refusal(path, cause, "write `from .name import Thing`", node.lineno)
    for name in names:
        top = name.split(".")[0]
        local = subject.kind == "space" and any(
            f.split("/")[0].removesuffix(".py") == top for f in subject.files
        )
        if top in OURS and not local:
            cause = f"imports {name}, which only exists on our machines"
            yield Refusal(path, cause, "copy what it needs", node.lineno)
        elif top not in allowed and top not in sys.stdlib_module_names and not local:
            cause = f"imports {name}, which requirements.txt does not bring"
            yield Refusal(path, cause, "list it there", node.lineno)


def allowed_imports(subject: Subject) -> set[str]:
    """Top-level names that the folder's requirements bring: listed, or required by a listed one."""
    text = subject.text("requirements.txt") if "requirements.txt" in subject.files else ""
    listed = {_plain(n) for n in re.findall(r"^\s*([A-Za-z0-9._-]+)", text, re.M)}
    listed |= {_plain("gradio")} if subject.kind == "space" else set()  # comes with sdk: gradio
    for name in sorted(listed):
        listed |= _required(name)
    known = {module for module, names in _modules().items() if {*map(_plain, names)} & listed}
    return known | {name.replace("-", "_") for name in listed}  # listed, and not installed here


@cache
def _modules() -> dict[str, list[str]]:
    """Importable name -> distributions that bring it; reading it takes half a second."""
    return dict(packages_distributions())


@cache
def _required(distribution: str) -> frozenset[str]:
    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return frozenset()
    plain = [line for line in lines if "extra ==" not in line]
    return frozenset(_plain(m[1]) for line in plain if (m := re.match(r"([A-Za-z0-9._-]+)", line)))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _call(kind: str, path: str, node: ast.AST) -> Iterator[Refusal]:
    if not isinstance(node, ast.Call):
        return
    name = ast.unparse(node.func)
    if name in BANNED and not (kind == "space" and name.startswith("subprocess.")):
        yield Refusal(path, f"calls {name}", BANNED[name], node.lineno)
    elif name.endswith(".from_pretrained") and node.args:
        first = node.args[0]
        pinned = any(k.arg in ("revision", None) for k in node.keywords)
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and not pinned:
            cause = f"loads {first.value!r} without a revision"
            yield Refusal(path, cause, "pass revision=HASH", node.lineno)


def imports_at_home(subject: Subject) -> Iterator[Refusal]:
    """Import every mapped class in a clean process that watches for network, processes, files."""
    from release.gates.child import run_child

    maps = sorted(auto_maps(subject))
    if not maps:
        return
    result = run_child("import_code.py", {"folder": str(subject.folder), "classes": maps}, 300)
    for act in result.get("acts", []):
        yield Refusal(act.get("file") or "config.json", f"importing it {act['what']}",
                      "take that out of the module's top level", act.get("line"))  # fmt: skip
    if error := result.get("error"):
        yield Refusal("config.json", f"its code does not import: {error}", "repair it")
