"""What a verification looked at and what it found."""

from dataclasses import asdict, dataclass, field
from typing import Any

IN_REPOSITORY = "damaged in the repository"
ON_THE_WAY = "damaged on the way"
HERE = "damaged here"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the manifest says."""

    path: str
    problem: str
    remedy: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        hashes = f" (expected {self.expected}, found {self.found})" if self.expected else ""
        return f"{self.path}: {self.problem}{hashes}; {self.remedy}"


@dataclass
class Report:
    """The state of a verification; `notes` are not damage."""

    target: str
    revision: str | None
    root: str | None = None
    files: int = 0
    samples: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loaded: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.findings

    def add(self, *finding: Finding) -> None:
        self.findings.extend(finding)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}
