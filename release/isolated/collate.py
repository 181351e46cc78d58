"""The collate function that the data card shows: rows stay lists, as nothing in them stacks."""


def collate(rows: list[dict]) -> dict[str, list]:
    """Rows of a data set -> one list per column."""
    return {name: [row[name] for row in rows] for name in rows[0]}
