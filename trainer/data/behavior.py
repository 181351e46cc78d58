"""BLIFT's rows as a run sees them, read by index: usable ones, subsets, wrong media."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.data.compose import select_turns, turn_draw
from trainer.data.mixture import Source, Words, id_words
from trainer.data.rows import DatasetProblem
from trainer.data.selections import Selection, of_form, partners, subset, with_comments_of


def usable(sample: Mapping[str, Any], mix: Mapping[str, float], form: str | None) -> bool:
    """Return whether the mix can draw a turn of the sample (the metadata tier may have none)."""
    turns = of_form(sample["turns"], form)
    return bool(select_turns(turns, mix, turn_draw(0, 0, sample["id"])))


@dataclass
class BehaviorRows:
    """Rows of a map-style release; `rows[place]` is the table's row of that place."""

    table: Any  # datasets.Dataset
    rows: np.ndarray
    words: Words
    lengths: np.ndarray
    visual: np.ndarray
    form: str | None
    partner: np.ndarray | None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Return one row for the collator, with the turns of the selection's form."""
        row = dict(self.table[int(self.rows[place])])
        sample = row["json"]
        if self.partner is not None:
            other = self.table.select_columns(["json"])[int(self.rows[self.partner[place]])]["json"]
            sample = with_comments_of(sample, other)
        return {**row, "json": {**sample, "turns": of_form(sample["turns"], self.form)}}

    def source(self) -> Source:
        """Return what the order of draws must know."""
        return Source(len(self), self.words, self.lengths, self.visual)


def behavior_rows(
    table: Any,
    chosen: Selection,
    mix: Mapping[str, float],
    seed: int,
    share: float,
    most: int | None,
) -> BehaviorRows:
    """Return the rows a selection can use; DatasetProblem when none is left.

    `share` and the selection's own size cut a fixed subset, `most` the first N rows.
    """
    has_media = bool({"jpg", "mp4"} & set(table.column_names))
    ids, lengths, kinds, rows = [], [], [], []
    for place, batch in enumerate(table.select_columns(["json"])):
        sample = batch["json"]
        if not usable(sample, mix, chosen.form):
            continue
        rows.append(place)
        ids.append(sample["id"])
        kinds.append(str(sample.get("media_type")))
        said = [sample["intro"], *(f"{t['question']} {t['answer']}" for t in sample["turns"])]
        lengths.append(sum(len(text.split()) for text in said))
        if most is not None and len(rows) == most:
            break
    if not rows:
        raise DatasetProblem(
            f"no sample has a turn of task_mix {','.join(mix)!r}"
            + (f" in the form {chosen.form!r}" if chosen.form else "")
            + ": choose another selection or task_mix, or build the data with these turns"
        )
    words = id_words(ids)
    kept = subset(words, share, chosen.samples)
    partner = partners(words[kept], [kinds[k] for k in kept], seed) if chosen.shuffled else None
    return BehaviorRows(
        table,
        np.asarray(rows)[kept],
        words[kept],
        np.asarray(lengths)[kept],
        np.full(len(kept), has_media),
        chosen.form,
        partner,
    )
