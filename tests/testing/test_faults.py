"""The table of faults is whole; that it is true is shown by tests/cti/test_recovery_table.py."""

from __future__ import annotations

from offhook.testing.faults import FAULTS, STATES, TABLE


def test_every_state_has_an_outcome_of_every_fault() -> None:
    assert list(TABLE) == list(STATES)
    assert all(list(row) == list(FAULTS) for row in TABLE.values())


def test_what_lives_has_no_reason_for_its_end() -> None:
    for row in TABLE.values():
        assert all(outcome.fate != "lives" or outcome.reason is None for outcome in row.values())
        assert all(outcome.note for outcome in row.values())
