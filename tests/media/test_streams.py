from __future__ import annotations

from typing import Any, cast

from offhook.media.audio import Samples
from offhook.media.dtmf import EventPayload
from offhook.media.engine import DigitReceived, DigitsSent, Direction, Echo, EngineEvent, FrameSink, Tone
from offhook.media.feeds import Library, make_feed, make_recipient
from offhook.media.negotiation import Agreement, RemoteEnd
from offhook.media.outbound import Outbound
from offhook.media.rtp import is_rtcp, pack_rtp, parse_rtp
from offhook.media.sdp import PayloadFormat
from offhook.media.streams import AudioStreams
from offhook.media.webrtc import SecureTransport

PCMU = PayloadFormat(0, "PCMU", 8000)
EVENT = PayloadFormat(101, "telephone-event", 8000)


class Wire:
    """Stands for a connected transport."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> bool:
        self.sent.append(data)
        return True


def _agreement(direction: Direction = Direction.SENDRECV) -> Agreement:
    return Agreement(
        remote=RemoteEnd("user", "x" * 22, ()),
        codec=PCMU,
        dtmf=EVENT,
        receive={0: PCMU, 101: EVENT},
        sends=direction in (Direction.SENDRECV, Direction.SENDONLY),
        receives=direction in (Direction.SENDRECV, Direction.RECVONLY),
    )


def _streams(direction: Direction = Direction.SENDRECV) -> tuple[AudioStreams, Wire, list[EngineEvent]]:
    told: list[EngineEvent] = []
    streams, wire = AudioStreams("m", Outbound(7, 1, 0), "cname", told.append), Wire()
    streams.configure(_agreement(direction), 0)
    streams.set_feed(make_feed(Tone(440), Library(), streams, lambda name: None))
    streams.use(cast(SecureTransport, wire))
    return streams, wire, told


def _run(streams: AudioStreams, ticks: range) -> None:
    for number in ticks:
        streams.tick(number, number * 0.02)


def test_a_tick_is_a_packet() -> None:
    streams, wire, _ = _streams()
    _run(streams, range(50))
    packets = [parse_rtp(data) for data in wire.sent if not is_rtcp(data)]
    assert len(packets) == 50
    assert [packet.timestamp for packet in packets if packet is not None] == [160 * number for number in range(50)]
    wire.connected = False
    _run(streams, range(50, 60))
    assert len([data for data in wire.sent if not is_rtcp(data)]) == 50


def test_what_one_sends_another_hears() -> None:
    one, wire, _ = _streams()
    two, _, told = _streams()
    heard: list[Samples] = []
    two.set_recipient(make_recipient(FrameSink(heard.append, 8000)))
    assert one.outbound.digits is not None
    one.outbound.digits.add("7", duration_ms=100, gap_ms=40, id="d")
    for number in range(100):
        one.tick(number, number * 0.02)
        while wire.sent:
            two.receive(wire.sent.pop(0), number * 0.02 + 0.001)
        two.tick(number, number * 0.02 + 0.005)
    assert len(heard) > 80 and told == [DigitReceived("m", "7", 100)]
    assert two.stats().packets_received == 100
    assert two.stats().codec == "PCMU" and one.stats().level_in_db is None


def test_digits_are_told_when_they_are_out() -> None:
    told: list[EngineEvent] = []
    streams, wire, told = _streams()
    assert streams.outbound.digits is not None
    streams.outbound.digits.add("1", duration_ms=60, gap_ms=40, id="x")
    _run(streams, range(4))
    assert told == []
    _run(streams, range(4, 10))
    assert told == [DigitsSent("x", "m")]


def test_hold_stops_what_it_should() -> None:
    for direction in Direction:
        streams, wire, _ = _streams(direction)
        other, other_wire, _ = _streams()
        for number in range(40):
            other.tick(number, number * 0.02)
            while other_wire.sent:
                streams.receive(other_wire.sent.pop(0), number * 0.02)
            streams.tick(number, number * 0.02 + 0.001)
        audio = [data for data in wire.sent if not is_rtcp(data)]
        stats = streams.stats()
        assert bool(audio) == (direction in (Direction.SENDRECV, Direction.SENDONLY)) == streams.sends
        assert bool(stats.packets_received) == (direction in (Direction.SENDRECV, Direction.RECVONLY))


def test_samples_are_made_only_where_somebody_wants_them() -> None:
    one, wire, _ = _streams()
    two, _, _ = _streams()

    def go(ticks: range) -> Any:
        for number in ticks:
            one.tick(number, number * 0.02)
            while wire.sent:
                two.receive(wire.sent.pop(0), number * 0.02 + 0.001)
            two.tick(number, number * 0.02 + 0.005)
        return two.heard

    heard = go(range(50))
    assert heard.samples is None and heard.payload is not None
    two.want_samples()
    two._samples_until = 1e9
    assert go(range(50, 60)).samples is not None
    two.close()
    one.close()


def test_digits_under_way_fail_when_a_hold_stops_them() -> None:
    streams, _, told = _streams()
    assert streams.outbound.digits is not None
    streams.outbound.digits.add("123", duration_ms=60, gap_ms=40, id="x")
    _run(streams, range(4))
    assert streams.configure(_agreement(Direction.RECVONLY), 4) == ["x"]
    _run(streams, range(4, 60))
    assert told == [] and not streams.outbound.digits.busy


def test_a_digit_whose_end_the_hold_cut_off_is_told() -> None:
    streams, _, told = _streams()
    streams.receive(pack_rtp(101, 1, 100, 1, bytes(EventPayload(5, False, 10, 800))), 0.0)
    streams.configure(_agreement(Direction.SENDONLY), 1)
    _run(streams, range(1, 20))
    assert told == [DigitReceived("m", "5", 100)]


def test_what_an_echo_sends_has_the_level_that_it_hears() -> None:
    one, wire, _ = _streams()
    two, _, _ = _streams()
    two.set_feed(make_feed(Echo(), Library(), two, lambda name: None))
    for number in range(100):
        one.tick(number, number * 0.02)
        while wire.sent:
            two.receive(wire.sent.pop(0), number * 0.02 + 0.001)
        two.tick(number, number * 0.02 + 0.005)
    level = two.stats().level_out_db
    assert level is not None and level == two.stats().level_in_db and level > -30.0
