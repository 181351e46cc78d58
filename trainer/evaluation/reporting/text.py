"""Tables as Markdown and as lines of a terminal."""

from collections.abc import Sequence

from trainer.evaluation.compare import Difference
from trainer.evaluation.reporting.tables import Table

NOTE = (
    "Rows of the paper are as printed. `recomputed` divides the paper's own cells; WRONG marks "
    "printed improvements that they do not give. `chance` draws at random, `constant` is the best "
    "answer that looks at nothing. Intervals: 95 %, bootstrap over clusters."
)


def escape(text: str) -> str:
    """Text that cannot break out of a Markdown cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def markdown(
    tables: Sequence[Table], differences: Sequence[Difference], names: tuple[str, str] | None
) -> str:
    """The whole report as one Markdown page."""
    parts = ["# Evaluation\n", NOTE, ""]
    if differences and names:
        parts += [_difference_table(differences, names), ""]
    for table in tables:
        parts += [f"## {table.title}", ""]
        parts.append("| | " + " | ".join(map(escape, table.columns)) + " |")
        parts.append("|---" * (len(table.columns) + 1) + "|")
        for line in table.lines:
            bold = "**" if line.kind == "ours" else ""
            cells = " | ".join(escape(line.cells.get(c, "")) for c in table.columns)
            parts.append(f"| {bold}{escape(line.name)}{bold} | {cells} |")
        parts += ["", *(_flag(table)), ""]
    return "\n".join(parts).rstrip() + "\n"


def _flag(table: Table) -> list[str]:
    return [
        f"* `{i.row}`, {i.column}: printed {i.printed}%, its own cells give {i.recomputed:.2f}%"
        for i in table.flagged
    ]


def _difference_table(differences: Sequence[Difference], names: tuple[str, str]) -> str:
    lines = [
        f"## {escape(names[0])} minus {escape(names[1])}",
        "",
        "| task | cell | difference | 95 % interval | p | p (Holm) | McNemar | n | clusters |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for d in differences:
        spread = "" if d.interval is None else "{:+.4f} … {:+.4f}".format(*d.interval)
        adjusted = "" if d.p_holm is None else f"{d.p_holm:.4f}"
        exact = "" if d.mcnemar is None else f"{d.mcnemar:.4f}"
        lines.append(
            f"| {d.task} | {d.cell} | {d.difference:+.4f} | {spread} | {d.p:.4f} | {adjusted} | "
            f"{exact} | {d.n} | {d.clusters} |"
        )
    return "\n".join(lines)


def terminal(tables: Sequence[Table]) -> str:
    """Every table in fixed columns."""
    parts = []
    for table in tables:
        width = max(len(line.name) for line in table.lines) + 2
        sizes = {
            c: max(len(c), *(len(line.cells.get(c, "")) for line in table.lines)) + 2
            for c in table.columns
        }
        parts.append(table.title)
        parts.append(" " * width + "".join(f"{c:>{sizes[c]}}" for c in table.columns))
        for line in table.lines:
            cells = "".join(f"{line.cells.get(c, ''):>{sizes[c]}}" for c in table.columns)
            parts.append(f"{line.name:<{width}}{cells}")
        parts.append("")
    return "\n".join(parts)
