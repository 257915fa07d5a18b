"""Findings as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from offhook.doctor.findings import Finding, Verdict, counts, exit_status

WIDTH = 110
NAME = 17
WORD = 8


def lines(finding: Finding) -> str:
    """One line of what was seen; under it, of a failure, what mends it, and what else is worth knowing."""
    outcome = finding.outcome
    head = f"{outcome.verdict.value:<{WORD}}{finding.check:<{NAME}} {outcome.seen}"
    more = []
    if outcome.remedy:
        word = "mend" if outcome.verdict is Verdict.FAILED else "how"
        more.append(indented(f"{word}: {outcome.remedy}"))
    more += [indented(f"note: {note}") for note in outcome.notes]
    return "\n".join([head, *more])


def indented(text: str) -> str:
    """Wrapped, under the words of the line above."""
    space = " " * (WORD + NAME + 1)
    return textwrap.fill(
        text.rstrip(".") + ".",
        WIDTH,
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def summary(findings: Sequence[Finding], seconds: float) -> str:
    """How many of each, and what to look at first."""
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts(findings).items() if count)
    wrong = [finding.check for finding in findings if finding.outcome.verdict is Verdict.FAILED]
    text = f"{found or 'nothing was checked'}; {seconds:.0f} s"
    if not wrong:
        return text
    rest = f"; then see {', '.join(wrong[1:])}" if wrong[1:] else ""
    return textwrap.fill(f"Mend first: {wrong[0]}{rest}", WIDTH, initial_indent=f"{text}\n", break_on_hyphens=False)


def as_json(findings: Sequence[Finding], servers: Sequence[str], domain: str, seconds: float) -> str:
    """All of it as one JSON object."""
    checks = [
        {
            "check": finding.check,
            "title": finding.title,
            "verdict": finding.outcome.verdict.value,
            "seen": finding.outcome.seen,
            "remedy": finding.outcome.remedy,
            "notes": list(finding.outcome.notes),
            "seconds": round(finding.seconds, 3),
        }
        for finding in findings
    ]
    whole = {
        "version": 1,
        "servers": list(servers),
        "domain": domain,
        "checks": checks,
        "counts": counts(findings),
        "exitStatus": exit_status(findings),
        "seconds": round(seconds, 3),
    }
    return json.dumps(whole, indent=2)
