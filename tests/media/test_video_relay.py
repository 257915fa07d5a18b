from __future__ import annotations

from offhook.media.video_relay import HandOn, Shelf

KEY, INTER = b"\x10 key", b"\x11 inter"


def _taken(hand_on: HandOn, now: float, *, key: bool = False) -> list[bytes] | None:
    found = hand_on.frames(now, key=key)
    return None if found is None else [frame for _, frame in found]


def test_frames_are_handed_on_in_order_from_a_key_frame_on() -> None:
    shelf = Shelf()
    hand_on = HandOn(lambda: shelf)
    shelf.put(KEY, 0.0)  # nobody takes it yet: it is not kept
    assert _taken(hand_on, 0.1) == [] and shelf.key_wanted
    shelf.put(INTER, 0.2)
    assert _taken(hand_on, 0.3) == [] and shelf.key_wanted  # made for a picture that the far side has not got
    shelf.put(KEY, 0.4)
    shelf.put(INTER + b"1", 0.5)
    assert not shelf.key_wanted
    assert hand_on.frames(0.6, key=False) == [(0.4, KEY), (0.5, INTER + b"1")]
    assert _taken(hand_on, 0.7) == [] and not shelf.key_wanted
    shelf.put(INTER + b"2", 0.8)
    assert _taken(hand_on, 0.9, key=True) == [INTER + b"2"] and shelf.key_wanted


def test_after_a_gap_it_begins_anew() -> None:
    shelf = Shelf()
    hand_on = HandOn(lambda: shelf)
    _taken(hand_on, 0.0)
    shelf.put(KEY, 0.1)
    assert _taken(hand_on, 0.2) == [KEY]
    for number in range(40):  # more than are kept
        shelf.put(INTER + bytes([number]), 0.3)
    assert _taken(hand_on, 0.4) == [] and _taken(hand_on, 0.4) == [] and shelf.key_wanted
    shelf.put(KEY, 0.5)
    assert _taken(hand_on, 0.6) == [KEY]
    shelf.put(INTER, 2.0)  # not taken for more than a second: not kept
    assert _taken(hand_on, 2.1) == []
    shelf.put(INTER, 2.2)
    assert _taken(hand_on, 2.3) == [] and shelf.key_wanted


def test_another_session_takes_the_place_of_the_first() -> None:
    one, two = Shelf(), Shelf()
    at: list[Shelf | None] = [None]
    hand_on = HandOn(lambda: at[0])
    assert _taken(hand_on, 0.0) is None
    at[0] = one
    _taken(hand_on, 0.0)
    one.put(KEY, 0.1)
    assert _taken(hand_on, 0.1) == [KEY]
    at[0] = two
    assert _taken(hand_on, 0.2) == [] and two.key_wanted
    two.put(INTER, 0.3)
    two.put(KEY + b"2", 0.3)
    assert _taken(hand_on, 0.3) == [KEY + b"2"]
    at[0] = None
    assert _taken(hand_on, 0.4) is None
