"""Which training items are test items of a benchmark: ids, titles, texts, pictures."""
