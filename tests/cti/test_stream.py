"""Numbers without a gap, and what is held for those who come back: contract §1."""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.events import agent_info
from offhook.cti.stream import EventStream, Finished, Outbox, Publish

EVENT = agent_info("1000", "LOGIN")


def at(seconds: float) -> Now:
    return Now(seconds, 1_000_000.0 + seconds)


def numbers(stream: EventStream, seq: int, name: str = "s") -> list[object] | None:
    found = stream.since(name, seq)
    return None if found is None else [event.seq for event in found]


def test_numbers_from_one_without_a_gap() -> None:
    stream = EventStream("s")
    made = [stream.number(EVENT, at(0)) for _ in range(3)]
    assert [(event.seq, event.stream) for event in made] == [(1, "s"), (2, "s"), (3, "s")]
    assert EVENT.seq is not made[0].seq


def test_what_was_missed() -> None:
    stream = EventStream("s")
    for _ in range(5):
        stream.number(EVENT, at(0))
    assert numbers(stream, 2) == [3, 4, 5]
    assert numbers(stream, 5) == []
    assert numbers(stream, 0) == [1, 2, 3, 4, 5]
    assert numbers(stream, 6) is None
    assert numbers(stream, 2, "another") is None


def test_only_so_many_are_held() -> None:
    stream = EventStream("s", keep_events=1000)
    for _ in range(1500):
        stream.number(EVENT, at(0))
    assert numbers(stream, 499) is None
    found = numbers(stream, 500)
    assert found is not None and len(found) == 1000


def test_only_so_long() -> None:
    stream = EventStream("s", keep_seconds=600)
    stream.number(EVENT, at(0))
    stream.number(EVENT, at(600))
    assert numbers(stream, 0) == [1, 2]
    stream.number(EVENT, at(601))
    assert numbers(stream, 0) is None
    assert numbers(stream, 1) == [2, 3]


def test_going_on_in_another_process() -> None:
    stream = EventStream("s", seq=41)
    assert numbers(stream, 41) == []
    assert numbers(stream, 40) is None
    assert stream.number(EVENT, at(0)).seq == 42


def test_the_outbox_keeps_the_order() -> None:
    outbox = Outbox("1000", EventStream("s"), lambda wall: 0.0)
    outbox.publish(EVENT, at(0))
    outbox.reply("desk", EVENT)
    outbox.put(Finished("1000", "logout"))
    assert [type(item).__name__ for item in outbox.drain()] == ["Publish", "Reply", "Finished"]
    assert outbox.drain() == []
    outbox.publish(EVENT, at(0))
    (item,) = outbox.drain()
    assert isinstance(item, Publish) and item.event.seq == 2
