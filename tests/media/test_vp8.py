from __future__ import annotations

import random

import pytest

from offhook.media import vp8
from offhook.media.rtp import RtpPacket
from offhook.media.vp8 import (
    HOLD_SECONDS,
    MAX_FRAME,
    MAX_HELD,
    Descriptor,
    FrameAssembler,
    is_key,
    pack,
    parse_descriptor,
    picture_size,
)


def _frame(size: int, *, key: bool = False, seed: int = 0) -> bytes:
    """Bytes that begin as a frame of VP8 does (RFC 6386 §9.1): the lowest bit is 0 in a key frame."""
    chance = random.Random(size * 7 + seed)
    return bytes([chance.randrange(128) * 2 + (not key)]) + chance.randbytes(size - 1)


def _packets(frames: list[bytes], first: int = 65530, room: int = 1100) -> list[RtpPacket]:
    made: list[RtpPacket] = []
    for number, frame in enumerate(frames):
        payloads = pack(frame, room)
        for payload in payloads:
            sequence = (first + len(made)) & 0xFFFF
            made.append(RtpPacket(96, payload is payloads[-1], sequence, number * 6000, 1, payload))
    return made


FRAMES = [_frame(5000, key=True), *(_frame(700 + 300 * number, seed=number) for number in range(6))]


def _run(assembler: FrameAssembler, packets: list[RtpPacket], step: float = 0.001) -> list[bytes]:
    return [frame for at, packet in enumerate(packets) for frame in assembler.receive(packet, at * step)]


@pytest.mark.parametrize("room", [2, 100, 1100, 100_000])
def test_what_is_packed_comes_out_again(room: int) -> None:
    assembler = FrameAssembler()
    packets = _packets(FRAMES, room=room)
    assert all(len(packet.payload) <= room for packet in packets)
    assert _run(assembler, packets) == FRAMES
    assert not assembler.waiting and not assembler.spoiled


def test_descriptors_of_others() -> None:
    body = b"vp8"
    assert parse_descriptor(b"\x10" + body) == Descriptor(True, 1)
    assert parse_descriptor(b"\x00" + body) == Descriptor(False, 1)
    assert parse_descriptor(b"\x11" + body) == Descriptor(False, 1)  # the beginning of another partition
    assert parse_descriptor(b"\x90\x80\x11" + body) == Descriptor(True, 3)  # a picture id of 7 bits
    assert parse_descriptor(b"\x90\x80\x91\x22" + body) == Descriptor(True, 4)  # of 15 bits
    assert parse_descriptor(b"\xb0\xf0\x91\x22\x01\x40" + body) == Descriptor(True, 6)  # all there is
    for broken in (b"", b"\x10", b"\x90", b"\x90\x80", b"\x90\x80\x91", b"\x90\x80\x91\x22", b"\x90\xf0\x91\x22\x01"):
        assert parse_descriptor(broken) is None


def test_a_key_frame_says_how_large_it_is() -> None:
    frame = bytes([0x10, 0, 0]) + b"\x9d\x01\x2a" + (320 | 0x4000).to_bytes(2, "little") + (240).to_bytes(2, "little")
    assert is_key(frame) and picture_size(frame) == (320, 240)
    assert not is_key(b"") and not is_key(b"\x01")
    for broken in (frame[:9], b"\x01" + frame[1:], frame[:3] + b"xyz" + frame[6:], frame[:6] + b"\0\0\0\0"):
        assert picture_size(broken) is None


def test_packets_in_any_near_order() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        packets = _packets(FRAMES)
        order = sorted(range(1, len(packets)), key=lambda at: at + chance.uniform(0, 4))
        shuffled = [packets[0], *(packets[at] for at in order)]
        doubled = [packet for packet in shuffled for _ in range(chance.choice((1, 1, 2)))]
        assert _run(FrameAssembler(), doubled) == FRAMES


def test_after_a_loss_nothing_until_the_next_key_frame() -> None:
    again = [_frame(3000, key=True, seed=1), _frame(900, seed=7)]
    frames = [*FRAMES, *again]
    packets = _packets(frames)
    for lost in range(1, len(_packets(FRAMES))):
        assembler = FrameAssembler()
        given = _run(assembler, packets[:lost] + packets[lost + 1 :], step=0.1)
        before = given[: -len(again)]
        assert given[-len(again) :] == again and before == FRAMES[: len(before)]
        assert assembler.spoiled and not assembler.waiting


def test_a_stream_that_begins_in_its_middle_waits_for_a_key_frame() -> None:
    assembler = FrameAssembler()
    packets = _packets([*FRAMES[1:], FRAMES[0]])
    assert _run(assembler, packets[:-5]) == [] and assembler.waiting
    assert _run(assembler, packets[-5:]) == [FRAMES[0]] and not assembler.waiting


def test_what_is_missing_is_waited_for_no_longer_than_it_is_worth() -> None:
    assembler = FrameAssembler()
    packets = _packets([FRAMES[0], *(_frame(50, seed=seed) for seed in range(400))])
    assert _run(assembler, packets[:5]) == [FRAMES[0]]
    assert assembler.receive(packets[6], 1.0) == [] and not assembler.waiting
    assert assembler.receive(packets[7], 1.0 + HOLD_SECONDS / 2) == [] and not assembler.waiting
    assert assembler.receive(packets[8], 1.01 + HOLD_SECONDS) == [] and assembler.waiting  # given up
    fast = FrameAssembler()
    _run(fast, packets[:5])
    held = [fast.receive(packet, 1.0) for packet in packets[6 : 6 + MAX_HELD]]
    assert not any(held) and not fast.waiting
    assert fast.receive(packets[6 + MAX_HELD], 1.0) == [] and fast.waiting


def test_a_jump_of_the_numbers_is_a_new_beginning() -> None:
    assembler = FrameAssembler()
    assert _run(assembler, _packets(FRAMES, first=100)) == FRAMES
    assert _run(assembler, _packets(FRAMES, first=30000)) == FRAMES
    assembler.reset()
    assert assembler.waiting and _run(assembler, _packets(FRAMES, first=10)) == FRAMES


def test_frames_have_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vp8, "MAX_FRAME", 4000)
    assembler = FrameAssembler()
    assert _run(assembler, _packets([_frame(9000, key=True)])) == [] and assembler.waiting
    assert MAX_FRAME <= 1 << 20


def test_payloads_that_are_none_spoil_what_they_are_in() -> None:
    assembler = FrameAssembler()
    packets = _packets(FRAMES[:2])
    probe = RtpPacket(96, False, packets[-1].sequence + 1 & 0xFFFF, 0, 1, b"")
    assert _run(assembler, [*packets, probe]) == FRAMES[:2] and not assembler.waiting
    assert assembler.receive(probe._replace(sequence=probe.sequence + 1, payload=b"\x10"), 0.0) == []
    assert assembler.waiting


def test_a_frame_without_an_end() -> None:
    assembler = FrameAssembler()
    packets = [packet._replace(marker=False) for packet in _packets(FRAMES[:1])]
    follow = _packets(FRAMES[1:2], first=packets[-1].sequence + 1)
    assert _run(assembler, [*packets, *follow]) == [] and assembler.waiting


def test_nothing_that_comes_can_raise() -> None:
    chance = random.Random(5)
    assembler = FrameAssembler()
    for number in range(20_000):
        payload = chance.randbytes(chance.randrange(12))
        sequence = chance.choice((number, chance.randrange(0x10000))) & 0xFFFF
        assembler.receive(RtpPacket(96, chance.random() < 0.3, sequence, 0, 1, payload), number * 0.001)
    assert len(assembler._held) <= MAX_HELD + 1
