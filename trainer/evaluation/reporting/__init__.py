"""results.json to tables, figures, pages and cards; and to other harnesses."""
