from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offhook.media.jitter import MAX_PACKETS, Due, JitterBuffer, Missing

FRAME = 160


def _play(arrivals: list[tuple[float, int]], ticks: int, start: int = 5000) -> tuple[list[int | None], JitterBuffer]:
    """Packets (arrival, number) through a buffer pulled every 20 ms: the numbers played, None for made-up frames."""
    buffer = JitterBuffer(8000)
    waiting = sorted(arrivals)
    played: list[int | None] = []
    ahead = 0.0
    for tick in range(ticks):
        now = tick * 0.02 + 0.007
        while waiting and waiting[0][0] <= now:
            at, number = waiting.pop(0)
            buffer.put((start + number * FRAME) & 0xFFFFFFFF, number.to_bytes(4, "big"), FRAME, at)
        while ahead < 0.019:
            got = buffer.get(now, ahead)
            if got is None:
                break
            played.append(int.from_bytes(got.payload, "big") if isinstance(got, Due) else None)
            ahead += got.duration / 8000 - (0.005 if isinstance(got, Due) and got.shorten else 0.0)
        ahead = max(0.0, ahead - 0.02)
    return played, buffer


def test_in_order_out_in_order() -> None:
    played, buffer = _play([(number * 0.02, number) for number in range(200)], 195, start=0xFFFFFFF0)
    assert [number for number in played if number is not None] == list(range(len(played) - played.count(None)))
    assert buffer.late == 0 and played.count(None) <= 1
    assert buffer.target == pytest.approx(0.030)  # a still line: as short as it gets


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("jitter", [0.01, 0.03, 0.06, 0.1])
def test_jitter_is_ridden(seed: int, jitter: float) -> None:
    chance = random.Random(seed)
    arrivals = [(number * 0.02 + chance.random() * jitter, number) for number in range(1000)]
    played, buffer = _play(arrivals, 990)
    numbers = [number for number in played if number is not None]
    assert numbers == sorted(numbers)
    assert buffer.late <= 10 and len(set(numbers)) == len(numbers)
    assert 0.6 * jitter <= buffer.target <= jitter + 0.04


def test_a_lost_packet_is_missed_once_and_the_next_one_is_at_hand() -> None:
    buffer = JitterBuffer(8000)
    for number in (0, 1, 2, 4, 5):
        buffer.put(number * FRAME, bytes([number]), FRAME, number * 0.02)
    got = [buffer.get(0.1 + tick * 0.02, 0.0) for tick in range(5)]
    kinds = [type(each) for each in got]
    assert kinds == [Due, Due, Due, Missing, Due]
    assert isinstance(got[3], Missing) and got[3].following == bytes([4]) and got[3].duration == FRAME


def test_a_gap_that_was_bridged_while_empty_is_not_bridged_again() -> None:
    buffer = JitterBuffer(8000)
    buffer.put(0, b"a", FRAME, 0.0)
    assert isinstance(buffer.get(0.06, 0.0), Due)
    assert isinstance(buffer.get(0.08, 0.0), Missing)  # nothing here: hold still
    buffer.put(2 * FRAME, b"c", FRAME, 0.09)
    got = buffer.get(0.10, 0.0)
    assert isinstance(got, Due) and got.payload == b"c"


def test_what_was_only_late_is_played_yet() -> None:
    buffer = JitterBuffer(8000)
    buffer.put(0, b"a", FRAME, 0.0)
    buffer.get(0.06, 0.0)
    assert isinstance(buffer.get(0.08, 0.0), Missing)
    buffer.put(FRAME, b"b", FRAME, 0.09)
    got = buffer.get(0.10, 0.0)
    assert isinstance(got, Due) and got.payload == b"b" and buffer.late == 0


def test_a_stream_that_stops_is_over_and_may_begin_again() -> None:
    played, buffer = _play([(number * 0.02, number) for number in range(50)], 200)
    assert played.count(None) <= 12  # 200 ms are made up, then there is nothing
    buffer.put(5000 + 300 * FRAME, b"\0\0\1\0", FRAME, 6.0)
    assert buffer.get(6.0, 0.0) is None
    assert isinstance(buffer.get(6.07, 0.0), Due)


@pytest.mark.parametrize("drift", [0.002, -0.002])
def test_a_clock_that_drifts_is_followed(drift: float) -> None:
    arrivals = [(number * 0.02 * (1 + drift), number) for number in range(3000)]
    played, buffer = _play(arrivals, int(3000 * (1 + drift)) - 20)
    missed = len(set(range(2900)) - set(played))
    assert missed <= 3 and buffer.late <= 3


def test_far_behind_it_drops_what_is_too_old() -> None:
    buffer = JitterBuffer(8000)
    for number in range(60):  # a second came at once
        buffer.put(number * FRAME, bytes([number]), FRAME, number * 0.02)
    first = buffer.get(1.2, 0.0)
    assert isinstance(first, Due) and first.payload[0] > 40


def test_packets_of_other_lengths() -> None:
    buffer = JitterBuffer(48000)
    got = []
    for number in range(12):
        buffer.put(number * 1920, bytes([number]), 1920, number * 0.04)
        got.append(buffer.get(number * 0.04 + 0.001, 0.0))
    due = [each for each in got if isinstance(each, Due)]
    assert len(due) >= 9 and {each.duration for each in due} == {1920}
    buffer.put(0, b"", 0, 0.0)  # no duration, no packet


def test_a_new_time_line_begins_anew() -> None:
    buffer = JitterBuffer(8000)
    for number in range(20):
        buffer.put(number * FRAME, b"old", FRAME, number * 0.02)
        buffer.get(number * 0.02, 0.0)
    buffer.put(3_000_000_000, b"new", FRAME, 0.4)
    got = buffer.get(0.5, 0.0)
    assert isinstance(got, Due) and got.payload == b"new"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(-10, 100_000), st.floats(0, 0.2), st.booleans()), max_size=400
    )
)
def test_it_stays_small_and_whole_whatever_comes(given_packets: list[tuple[int, int, float, bool]]) -> None:
    buffer, now = JitterBuffer(8000), 0.0
    for timestamp, duration, step, pull in given_packets:
        now += step
        buffer.put(timestamp, b"x", duration, now)
        assert len(buffer._held) <= MAX_PACKETS
        if pull:
            got = buffer.get(now, 0.0)
            assert got is None or got.duration > 0
