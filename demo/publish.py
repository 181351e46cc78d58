"""The demo's data set, model and Space through the whole release: staged, published, verified.

    python demo/publish.py [--from build/demo] [--out build/release-demo]

Goes to the Hub that HF_ENDPOINT names; without one, to a folder that has the form of a Hub's cache.
Every step is one command of the kit, printed before it runs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWNER = "behavior-llava"
NAMES = {"dataset": "blift", "model": "behavior-llava", "space": "behavior-llava-demo"}
NOTICE = "A demonstration: a tiny model, trained for a minute on synthetic posts. It knows nothing."


class StepFailed(Exception):
    """A command ended with a non-zero exit code."""


def run(*words: str | Path) -> dict:
    """Print a command of the kit, run it, and return its JSON answer. Raises StepFailed."""
    shown = " ".join(str(word).replace(f"{ROOT}/", "") for word in words)
    print(f"\n$ python -m release {shown}", flush=True)
    command = [sys.executable, "-m", "release", *map(str, words), "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise StepFailed(f"ended with {done.returncode}: python -m release {shown}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def artefacts(folder: Path) -> None:
    """Build the demo where its data and model are not there yet."""
    if (folder / "results-after.json").is_file():
        return
    print(f"{folder} holds no demo yet: building the tiny one (about two minutes)", flush=True)
    words = [sys.executable, ROOT / "demo" / "run.py", "--size", "tiny", "--out", folder]
    if subprocess.run(list(map(str, words)), cwd=ROOT).returncode:
        raise StepFailed("demo/run.py failed")


def stage_words(kind: str, demo: Path, published: dict[str, dict]) -> list[str | Path]:
    """What `stage` is told about each kind."""
    if kind == "dataset":
        media = demo / "media" / "MEDIA.md"
        told: list[str | Path] = ["--from", demo / "blift" / "release"]
        return [*told, "--attributions", media] if media.is_file() else told
    if kind == "model":
        return ["--from", demo / "model", "--results", demo / "results-after.json", "--before",
                demo / "results-before.json", "--dataset-revision", published["dataset"]["commit"],
                "--notice", NOTICE]  # fmt: skip
    model = f"{OWNER}/{NAMES['model']}"
    return ["--from", ROOT / "space", "--model", model, "--revision", published["model"]["commit"]]


def release(demo: Path, out: Path) -> None:
    """Stage, publish and verify the three repositories, each pinned to the one before."""
    published: dict[str, dict] = {}
    verified: dict[str, dict] = {}
    for kind, name in NAMES.items():
        folder = out / "staged" / kind
        shutil.rmtree(folder, ignore_errors=True)
        run(kind, "stage", *stage_words(kind, demo, published), "--out", folder)
        repository = f"{OWNER}/{name}"
        # verified in the next step, where its answer is shown
        published[kind] = run(kind, "publish", folder, "--repo", repository, "--verify", "none")
        verified[kind] = run(kind, "verify", repository, "--revision", published[kind]["commit"])
    print("\n\033[1m== released\033[0m")
    for kind, answer in published.items():
        print(f"  {kind:<8}{answer['address']}  {answer['tag']}  {answer['commit']}")
    print("\033[1m== verified\033[0m")
    for kind, report in verified.items():
        print(
            f"  {kind:<8}{report['files']} files, {report['bytes']:,} bytes, root "
            f"{report['root'][:16]}…"
        )
    for config, splits in verified["dataset"]["loaded"]["configs"].items():
        print(
            f"  load_dataset {config}: " + ", ".join(f"{s} {f['rows']}" for s, f in splits.items())
        )
    print(f"  AutoModel answered: {verified['model']['loaded']['answer']!r}")


def main() -> int:
    """Run the release demo; exit 0 when everything was published and verified."""
    parser = argparse.ArgumentParser(
        description="Publish the demo's three repositories.",
        epilog="example: python demo/publish.py --from build/demo --out build/release-demo",
    )
    parser.add_argument(
        "--from", dest="demo", type=Path, default=Path("build/demo"), help="demo's folder"
    )
    parser.add_argument("--out", type=Path, default=Path("build/release-demo"), help="work folder")
    args = parser.parse_args()
    demo, out = args.demo.resolve(), args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if not os.environ.get("HF_ENDPOINT"):
        os.environ["HF_ENDPOINT"] = f"file://{out / 'hub'}"
        print(f"HF_ENDPOINT is not set: the folder {out / 'hub'} is the Hub")
    os.environ.setdefault("HF_HOME", str(out / "hf-home"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        artefacts(demo)
        release(demo, out)
    except StepFailed as error:
        print(f"release demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
