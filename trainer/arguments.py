"""The settings of a recipe that are ours."""

from dataclasses import dataclass, field


@dataclass
class BliftArguments:
    """What a recipe sets beyond TRL's own ScriptArguments, SFTConfig and ModelConfig."""

    dataset: str | None = field(
        default=None, metadata={"help": "BLIFT release folder or Hub id (as --dataset_name)."}
    )
    dataset_revision: str | None = field(
        default=None, metadata={"help": "Commit of a Hub dataset."}
    )
    task_mix: str = field(
        default="all",
        metadata={"help": "Turns drawn per sample and epoch: 'all', 'all=2,comments=1', 'scenes'."},
    )
    freeze: str = field(
        default="paper",
        metadata={"help": "What trains: paper (all but the vision tower), authors_fork, literal."},
    )
    max_tokens: int | None = field(
        default=None, metadata={"help": "Token budget of one sample; nothing is cut to fit it."}
    )
    over_budget: str = field(
        default="error", metadata={"help": "Above the budget: error, or drop (counted)."}
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "Train on the first N usable samples only."}
    )
    cpu_threads: int | None = field(
        default=None, metadata={"help": "Threads per process on a CPU; 0 = share all cores."}
    )

    def __post_init__(self) -> None:
        least = {"max_tokens": 1, "max_train_samples": 1, "cpu_threads": 0}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ValueError(f"{name} is {value}: expected {smallest} or more, or none")
