"""Dense captioning (Table 7): a judge gives 1 to 10 for correctness, detail and quality.

The paper names no picture set: the row names the one used (the first line of the list).
"""

from pathlib import Path

from trainer.evaluation.inputs.files import AnnotationProblem, read_text
from trainer.evaluation.task import Cell, Example, File, Task

FILE = File("captioning/images.txt", None, "your own list: `# NAME OF SET`, then one path a line")
CRITERIA = ("correctness", "detail", "quality")


def examples(root: Path) -> list[Example]:
    """One picture per line below the name of the set."""
    lines = [line.strip() for line in read_text(root, FILE).splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# "):
        raise AnnotationProblem(f"{FILE.path}: the first line must be `# NAME OF THE SET`")
    name = lines[0].removeprefix("# ")
    return [Example(line, line, None, line, facts={"set": name}) for line in lines[1:]]


TASKS = (
    Task(
        name="captioning/dense",
        version=1,
        files=(FILE,),
        split="all",
        n=None,
        examples=examples,
        protocol="caption",
        scorer="captions",
        metric="judge's score 1-10",
        constant_from="none",
        kind="image",
        checked=False,
        cells=tuple(
            # count (i) takes the mean of the three, carried by quality
            Cell(name, 7, name, 1 if name == "quality" else 0, 1)
            for name in CRITERIA
        ),
        licence="that of the pictures chosen",
        access="any pictures; the paper names no set",
        media="captioning/images",
        questions=("Describe this image in detail.",),
        paper="arXiv:2405.00942, listings 4-6",
    ),
)
