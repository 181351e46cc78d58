"""BLIFT dataset builder: raw Reddit and YouTube dumps to instruction-tuning shards."""
