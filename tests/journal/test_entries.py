"""What waits to be written: of each agent the last record alone, and never without an end."""

from __future__ import annotations

import pytest

from offhook.journal import entries
from offhook.journal.entries import Changes, Keep, Over, Told

RECORD = Keep("1000", "p", 3, b"a")
GONE = Keep("1000", "p", 3, None)


def told(seq: int, extension: str = "1000") -> Told:
    return Told(extension, "s", seq, 0.0, b"e")


def test_only_the_last_record_of_an_agent_waits() -> None:
    changes = Changes()
    assert not changes
    changes.add([RECORD, told(1), Keep("1000", "p", 3, b"b"), told(2), Over(b"c")])
    assert changes
    assert changes.agents == {"1000": [Keep("1000", "p", 3, b"b")]}
    assert [event.seq for event in changes.told] == [1, 2] and list(changes.over) == [Over(b"c")]


def test_a_removal_goes_before_the_record_of_the_next_session_and_takes_the_events_before_it() -> None:
    changes = Changes()
    new = Keep("1000", "p", 0, b"new")
    changes.add([RECORD, told(1), told(1, "2000"), GONE, new, told(2)])
    assert changes.agents["1000"] == [GONE, new]
    assert [(event.extension, event.seq) for event in changes.told] == [("2000", 1), ("1000", 2)]
    for _ in range(3):  # however often, while the disk takes nothing
        changes.add([Keep("1000", "p", 0, None), new])
    assert changes.agents["1000"] == [GONE, Keep("1000", "p", 0, None), new]


def test_what_failed_goes_before_what_came_meanwhile() -> None:
    older, newer = Changes(), Changes()
    older.add([RECORD, told(1), Over(b"1")])
    newer.add([Keep("1000", "p", 3, b"b"), told(2), Over(b"2")])
    older.follow(newer)
    assert older.agents["1000"] == [Keep("1000", "p", 3, b"b")]
    assert [event.seq for event in older.told] == [1, 2]
    assert [over.call for over in older.over] == [b"1", b"2"]


def test_it_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_UNSAVED", 3)
    changes = Changes()
    changes.add([told(seq) for seq in range(5)] + [Over(b"%d" % number) for number in range(4)])
    assert [event.seq for event in changes.told] == [2, 3, 4]
    assert changes.dropped == 3
