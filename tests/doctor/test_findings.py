"""What a check found out, as data."""

from __future__ import annotations

from offhook.doctor.findings import CheckEnded, Finding, Verdict, cannot, counts, exit_status, failed, ok, skipped


def test_outcomes() -> None:
    assert ok("seen", "", "worth knowing").notes == ("worth knowing",)
    assert failed("seen", "mend it").remedy == "mend it"
    assert cannot("why").verdict is Verdict.CANNOT
    assert skipped("why").verdict is Verdict.SKIPPED
    assert str(CheckEnded(failed("no port", "open it"))) == "no port"


def test_counts_and_exit_status() -> None:
    good = Finding("a", "A", ok("x"))
    bad = Finding("b", "B", failed("x", "y"))
    none = Finding("c", "C", skipped("b failed"))
    assert counts([good, bad, none]) == {"ok": 1, "failed": 1, "cannot": 0, "skipped": 1}
    assert exit_status([good, none]) == 0
    assert exit_status([good, bad, none]) == 1
