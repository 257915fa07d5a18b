from __future__ import annotations

import random

import pytest

from offhook.media.dtmf import DIGITS, MAX_WAITING, DigitReceiver, DigitSender, EventPacket, EventPayload


def _send(sender: DigitSender, rate: int, ticks: int, start: int = 1000) -> list[EventPacket | None]:
    return [sender.tick((start + tick * rate // 50) & 0xFFFFFFFF) for tick in range(ticks)]


def test_the_payload() -> None:
    payload = EventPayload(11, True, 10, 800)
    assert bytes(payload) == b"\x0b\x8a\x03\x20"
    assert EventPayload.parse(bytes(payload)) == payload
    assert EventPayload.parse(b"\x0b\x8a\x03") is None
    assert DIGITS[10] == "*" and DIGITS[11] == "#" and DIGITS[12] == "A"


@pytest.mark.parametrize("rate", [8000, 48000])
def test_one_digit_on_the_wire(rate: int) -> None:
    sender = DigitSender(rate)
    assert sender.add("5", duration_ms=160, gap_ms=100, id="x")
    packets = _send(sender, rate, 30)
    sent = [packet for packet in packets if packet is not None]
    assert [packet.marker for packet in sent] == [True] + [False] * 9
    assert {packet.timestamp for packet in sent} == {1000}
    step = rate // 50
    assert [packet.payload.duration for packet in sent] == [step * n for n in range(1, 9)] + [8 * step] * 2
    assert [packet.payload.end for packet in sent] == [False] * 7 + [True] * 3
    assert sender.done == ["x"] and not sender.busy


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("duration", [40, 160, 3000, 9000])
def test_digits_arrive_as_they_were_sent(rate: int, duration: int) -> None:
    sender, receiver = DigitSender(rate), DigitReceiver(rate)
    assert sender.add("12*#AD", duration_ms=duration, gap_ms=60, id="x")
    heard = []
    for number, packet in enumerate(_send(sender, rate, 3000, start=0xFFFFF000)):
        if packet is not None:
            heard += receiver.receive(packet.timestamp, bytes(packet.payload), number * 0.02)
    assert "".join(each.digit for each in heard) == "12*#AD"
    assert all(abs(each.duration_ms - duration) <= 1 for each in heard), heard


@pytest.mark.parametrize("seed", range(20))
def test_lost_and_swapped_packets_make_no_digit_twice_or_none(seed: int) -> None:
    chance = random.Random(seed)
    sender, receiver = DigitSender(8000), DigitReceiver(8000)
    sender.add("1123", duration_ms=160, gap_ms=200, id="x")
    packets = [(number * 0.02, packet) for number, packet in enumerate(_send(sender, 8000, 120)) if packet is not None]
    kept = [(at + chance.random() * 0.05, packet) for at, packet in packets if chance.random() > 0.3]
    heard = []
    for at, packet in sorted(kept, key=lambda each: each[0]):
        heard += list(receiver.expire(at))
        heard += receiver.receive(packet.timestamp, bytes(packet.payload), at)
    heard += list(receiver.expire(10.0))
    assert "".join(each.digit for each in heard) == "1123"


def test_a_lost_end_is_noticed() -> None:
    receiver = DigitReceiver(8000)
    assert receiver.receive(100, bytes(EventPayload(3, False, 10, 160)), 0.0) == []
    assert list(receiver.expire(0.1)) == []
    assert [(each.digit, each.duration_ms) for each in receiver.expire(0.3)] == [("3", 20)]
    assert list(receiver.expire(9.9)) == []
    assert receiver.receive(100, bytes(EventPayload(3, True, 10, 320)), 0.4) == []  # it was told already
    assert [each.digit for each in receiver.receive(900, bytes(EventPayload(3, True, 10, 320)), 0.5)] == ["3"]


def test_other_events_and_rubbish_are_no_digits() -> None:
    receiver = DigitReceiver(8000)
    assert receiver.receive(1, bytes(EventPayload(16, True, 10, 160)), 0.0) == []
    assert receiver.receive(1, b"", 0.0) == []


def test_what_cannot_be_sent() -> None:
    sender = DigitSender(8000)
    assert not sender.add("12x", duration_ms=100, gap_ms=100, id="a")
    assert not sender.add("", duration_ms=100, gap_ms=100, id="a")
    assert not sender.add("1" * (MAX_WAITING + 1), duration_ms=100, gap_ms=100, id="a")
    assert sender.tick(0) is None


def test_clearing_tells_what_is_not_done() -> None:
    sender = DigitSender(8000)
    sender.add("1", duration_ms=100, gap_ms=100, id="a")
    sender.add("23", duration_ms=100, gap_ms=100, id="b")
    sender.tick(0)
    assert sender.clear() == ["a", "b"]
    assert sender.tick(160) is None and not sender.busy
