"""What a check found out, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from offhook.errors import OffhookError


class Verdict(Enum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    CANNOT = "cannot"
    """It cannot be found out from here, or with what was given."""
    SKIPPED = "skipped"
    """One that it needs failed, or time was up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check says: what was seen and, for a failure, what mends it. `notes` are worth knowing, no failures."""

    verdict: Verdict
    seen: str
    remedy: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """An outcome with the check that it is of. `seconds` is how long it took."""

    check: str
    title: str
    outcome: Outcome
    seconds: float = 0.0


class CheckEnded(OffhookError):
    """A check cannot go on; its outcome is known."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.seen)
        self.outcome = outcome


def ok(seen: str, *notes: str) -> Outcome:
    return Outcome(Verdict.OK, seen, notes=tuple(note for note in notes if note))


def failed(seen: str, remedy: str, *notes: str) -> Outcome:
    return Outcome(Verdict.FAILED, seen, remedy, tuple(note for note in notes if note))


def cannot(why: str, remedy: str = "") -> Outcome:
    return Outcome(Verdict.CANNOT, why, remedy)


def skipped(why: str) -> Outcome:
    return Outcome(Verdict.SKIPPED, why)


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each verdict, by its word."""
    found = Counter(finding.outcome.verdict for finding in findings)
    return {verdict.value: found[verdict] for verdict in Verdict}


def exit_status(findings: Iterable[Finding]) -> int:
    """1 where something failed, else 0."""
    return int(any(finding.outcome.verdict is Verdict.FAILED for finding in findings))
