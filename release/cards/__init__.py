"""Cards: measured numbers and facts into README.md, croissant.json and pictures."""
