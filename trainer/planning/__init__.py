"""What a run will take, and what its ablations gave: sizes, costs, tables."""
