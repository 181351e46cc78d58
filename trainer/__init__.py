"""Training and evaluation of Behavior-LLaVA: shards in, a checkpoint folder and results out."""
