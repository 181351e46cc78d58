"""What one run was asked for: the settings of a recipe that are ours, and the library's."""

from dataclasses import dataclass, field

from trl import ModelConfig, ScriptArguments, SFTConfig

from trainer.data.rows import DatasetProblem


@dataclass
class BliftArguments:
    """What a recipe sets beyond TRL's own ScriptArguments, SFTConfig and ModelConfig."""

    dataset: str | None = field(
        default=None, metadata={"help": "BLIFT release folder or Hub id (as --dataset_name)."}
    )
    dataset_revision: str | None = field(
        default=None, metadata={"help": "Commit of a Hub dataset."}
    )
    selection: str = field(
        default="behavior",
        metadata={"help": "Named ablation: behavior, ad_llava, likes, shuffled_comments, …"},
    )
    task_mix: str | None = field(
        default=None,
        metadata={
            "help": "Turns drawn per sample and pass: 'all', 'all=2,comments=1', 'scenes'; "
            "without it those of the selection."
        },
    )
    fraction: float = field(
        default=1.0,
        metadata={"help": "Train on this share of BLIFT (of the mix where it is alone), fixed."},
    )
    mix_data: list[str] | None = field(
        default=None,
        metadata={"help": "The original mix: LLaVA JSON or JSON lines files, or their folders."},
    )
    mix_media: str | None = field(
        default=None, metadata={"help": "The folder that the mix's media paths are relative to."}
    )
    p_behavior: float = field(
        default=0.5, metadata={"help": "Probability that a draw is BLIFT's and not the mix's."}
    )
    max_missing_media: float = field(
        default=0.01, metadata={"help": "Stop when more than this share of the mix is unusable."}
    )
    mix_eval_samples: float = field(
        default=64,
        metadata={"help": "Items of the mix held out to measure its loss; below 1 a share of it."},
    )
    eval_samples: int = field(
        default=256, metadata={"help": "Held-out posts measured at every evaluation; 0 = all."}
    )
    eval_answers: int = field(
        default=64, metadata={"help": "Held-out videos asked for percent liked; 0 = none."}
    )
    freeze: str = field(
        default="paper",
        metadata={"help": "What trains: paper (all but the tower), authors_fork, align, literal."},
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
    stream_lanes: int = field(
        default=64, metadata={"help": "Lanes of a streamed dataset (at most its shards)."}
    )
    stream_window: int = field(
        default=16, metadata={"help": "Rows shuffled at a time in a lane: each holds its video."}
    )
    cpu_threads: int | None = field(
        default=None, metadata={"help": "Threads per process on a CPU; 0 = share all cores."}
    )

    def __post_init__(self) -> None:
        least = {"max_tokens": 1, "max_train_samples": 1, "cpu_threads": 0, "stream_lanes": 1}
        least |= {"stream_window": 1, "mix_eval_samples": 0, "eval_samples": 0, "eval_answers": 0}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ValueError(f"{name} is {value}: expected {smallest} or more, or none")
        for name in ("p_behavior", "max_missing_media", "fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a share from 0 to 1")
        if self.fraction == 0:
            raise ValueError("fraction is 0: expected a share above 0 of the samples")


@dataclass(frozen=True)
class Run:
    """Everything one run was asked for."""

    script: ScriptArguments
    training: SFTConfig
    model: ModelConfig
    blift: BliftArguments

    @property
    def mix_alone(self) -> bool:
        """Whether BLIFT is never drawn: modality alignment, fine-tuning on a benchmark."""
        return bool(self.blift.mix_data) and self.blift.p_behavior == 0

    @property
    def has_dataset(self) -> bool:
        """Whether a BLIFT dataset is named."""
        return bool(self.blift.dataset or self.script.dataset_name)

    @property
    def dataset(self) -> str:
        """The dataset's folder or id; DatasetProblem when none is named."""
        name = self.blift.dataset or self.script.dataset_name
        if not name:
            raise DatasetProblem("no dataset: give --dataset FOLDER or a Hub id")
        return name

    @property
    def data_seed(self) -> int:
        """The seed of order and draws."""
        given = self.training.data_seed
        return int(self.training.seed if given is None else given)

    @property
    def step_samples(self) -> int:
        """Samples of one step over all processes."""
        training = self.training
        micro = training.per_device_train_batch_size
        return micro * training.gradient_accumulation_steps * training.world_size
