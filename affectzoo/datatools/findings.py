"""What ``affectzoo data check`` found in a copy of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["fault", "note"]


@dataclass(frozen=True)
class Finding:
    """Something found.

    Attributes:
        kind: What it is, in a few words; the same for all findings of a kind.
        severity: ``fault``: to be mended, or faces are lost or wrong; ``note``: to know about.
        where: File and line, as the reader says, or a folder.
        message: What is the matter there.
        count: How many faces, files or frames it stands for.
    """

    kind: str
    severity: Severity
    where: str
    message: str
    count: int = 1


@dataclass(frozen=True)
class CheckReport:
    """Everything found in one copy of a data set.

    Attributes:
        dataset: Its name in the zoo.
        root: Its folder.
        faces: Number of faces by split, as the reader returns them.
        findings: Faults first, then notes, each by kind in the order in which they were looked for.
    """

    dataset: str
    root: str
    faces: Mapping[str, int]
    findings: Sequence[Finding]

    @property
    def faults(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.severity == "fault"]

    def by_kind(self) -> dict[str, list[Finding]]:
        """The findings of each kind."""
        kinds: dict[str, list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault(finding.kind, []).append(finding)
        return kinds
