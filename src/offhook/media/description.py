"""How an offer and an answer are written, in two flavours.

`offhook` writes what a browser would (JSEP, RFC 9429) cut down to one audio stream. `freeswitch` writes the lines that
FreeSWITCH 1.11.1 writes, in its order (freeswitch/traces 04, 19): no mid, no BUNDLE, RTP/SAVPF, no direction line but
for hold, the candidate twice in offers. Both name the sha-256 fingerprint alone: FreeSWITCH takes a second one for a
new certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from offhook.media.engine import Direction
from offhook.media.sdp import Candidate, Media, PayloadFormat, Session

Flavour = Literal["offhook", "freeswitch"]
Setup = Literal["active", "passive", "actpass"]

VP8 = PayloadFormat(96, "VP8", 90000)

MAX_REJECTED_FORMATS = 32
"""Formats of a rejected section say nothing (RFC 3264 §6): an offer full of them must not make the answer too long."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A format that we can offer, with the payload type each flavour gives it."""

    name: str
    clock_rate: int
    channels: int
    offhook_type: int
    freeswitch_type: int
    fmtp: str | None = None
    freeswitch_fmtp: str | None = None
    freeswitch_first_fmtp: str | None = None

    def payload_type(self, flavour: Flavour) -> int:
        return self.offhook_type if flavour == "offhook" else self.freeswitch_type

    def parameters(self, flavour: Flavour, *, again: bool) -> str | None:
        """The fmtp of an offer; FreeSWITCH's first offer says more than those that come `again`."""
        if flavour == "offhook":
            return self.fmtp
        return self.freeswitch_fmtp if again else self.freeswitch_first_fmtp


_FREESWITCH_OPUS = "useinbandfec=1; minptime=10"

CODECS: dict[str, Codec] = {
    "opus": Codec(
        "opus",
        48000,
        2,
        111,
        102,
        fmtp="minptime=10;useinbandfec=1",
        freeswitch_fmtp=_FREESWITCH_OPUS,
        freeswitch_first_fmtp="useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20; minptime=10; "
        "maxptime=40; stereo=1",
    ),
    "PCMU": Codec("PCMU", 8000, 1, 0, 0),
    "PCMA": Codec("PCMA", 8000, 1, 8, 8),
    "telephone-event/48000": Codec("telephone-event", 48000, 1, 110, 103, fmtp="0-15"),
    "telephone-event/8000": Codec("telephone-event", 8000, 1, 126, 101, fmtp="0-15"),
}
"""By the name that `LocalEngine(codecs=...)` takes; telephone-event goes with every codec by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEnd:
    """What we tell of our own transport and stream; `fingerprint` is the sha-256 one, `AA:BB:...`."""

    address: str
    port: int
    candidates: tuple[Candidate, ...]
    ufrag: str
    password: str = field(repr=False)
    fingerprint: str
    ssrc: int
    cname: str
    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoShown:
    """What a description of ours says of video. On its own transport, as FreeSWITCH never bundles; `bundled`: on that
    of the audio, whose address and credentials `local` then has."""

    local: LocalEnd
    direction: Direction
    format: PayloadFormat = VP8
    bundled: bool = False


Layout = Sequence[tuple[str, str, list[str]]]
"""The m= lines of a session: type, protocol and formats of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What an offer of ours says; `again` once there is an agreement already. `video_at` is the place of the video,
    `mids` the names that the m= lines have already: one that has none is named by its place."""

    local: LocalEnd
    direction: Direction
    formats: tuple[PayloadFormat, ...]
    again: bool
    video: VideoShown | None = None
    video_at: int | None = None
    mids: tuple[str | None, ...] = ()

    def mid(self, index: int) -> str:
        return (self.mids[index] if index < len(self.mids) else None) or str(index)


def write_offer(flavour: Flavour, origin: tuple[int, int], offered: Offered, layout: Layout, at: int) -> str:
    """An offer with our audio as m= line number `at`; lines of `layout` that are neither it nor video are offered as
    rejected (port 0)."""
    bundle = offered.mid(at)
    if offered.video is not None and offered.video.bundled and offered.video_at is not None:
        bundle = f"{bundle} {offered.mid(offered.video_at)}"
    session = _begin(flavour, origin, offered.local, bundle=bundle if flavour == "offhook" else None)
    for index, (kind, protocol, formats) in enumerate(layout):
        if index == at:
            _offer_audio(flavour, session, offered, mid=offered.mid(index))
        elif index == offered.video_at and offered.video is not None:
            protocol = "UDP/TLS/RTP/SAVPF" if flavour == "offhook" else "RTP/SAVPF"
            setup: Setup = "passive" if flavour == "offhook" else "actpass"
            _write_video(flavour, session, offered.video, protocol, setup, mid=offered.mid(index))
        else:
            _reject(flavour, session.add_media(kind, 0, protocol, formats[:MAX_REJECTED_FORMATS]), offered.mid(index))
    return str(session)


def write_answer(
    flavour: Flavour,
    origin: tuple[int, int],
    offer: Session,
    audio: Media,
    local: LocalEnd,
    formats: Sequence[PayloadFormat],
    setup: Setup,
    direction: Direction,
    video: tuple[Media, VideoShown, Setup] | None = None,
) -> str:
    """The answer to `offer` that takes its section `audio`, and the one of `video`, and rejects every other one."""
    bundled = flavour == "offhook" and any("BUNDLE" in group for group in offer.attributes("group"))
    bundle = audio.mid if bundled else None
    if video is not None and video[1].bundled:
        bundle = f"{audio.mid} {video[0].mid}"
    session = _begin(flavour, origin, local, bundle=bundle)
    for section in offer.media:
        if video is not None and section is video[0]:
            _write_video(flavour, session, video[1], section.protocol, video[2], mid=section.mid)
            continue
        if section is not audio:
            formats_shown = section.formats[:MAX_REJECTED_FORMATS]
            _reject(flavour, session.add_media(section.type, 0, section.protocol, formats_shown), section.mid)
            continue
        answer = session.add_media(audio.type, local.port, audio.protocol, [str(each.payload_type) for each in formats])
        codecs = [_with_our_parameters(flavour, each) for each in formats]
        if flavour == "freeswitch":
            _freeswitch_body(answer, local, codecs, setup, direction)
        else:
            _offhook_body(answer, local, codecs, setup, direction, mid=audio.mid)
    return str(session)


def _begin(flavour: Flavour, origin: tuple[int, int], local: LocalEnd, bundle: str | None) -> Session:
    session = Session()
    session.set_value("v", "0")
    who = "-" if flavour == "offhook" else "FreeSWITCH"
    session.set_value("o", f"{who} {origin[0]} {origin[1]} IN {_address(local.address)}")
    session.set_value("s", who)
    if flavour == "freeswitch":
        session.set_value("c", f"IN {_address(local.address)}")
    session.set_value("t", "0 0")
    if bundle is not None:
        session.add("group", f"BUNDLE {bundle}")
    session.add("msid-semantic", f" WMS {local.stream}")
    return session


def _offer_audio(flavour: Flavour, session: Session, offered: Offered, *, mid: str) -> None:
    numbers = [str(each.payload_type) for each in offered.formats]
    if flavour == "offhook":
        media = session.add_media("audio", offered.local.port, "UDP/TLS/RTP/SAVPF", numbers)
        _offhook_body(media, offered.local, offered.formats, "passive", offered.direction, mid=mid)
        return
    media = session.add_media("audio", offered.local.port, "RTP/SAVPF", numbers)
    if offered.again:
        _freeswitch_body(media, offered.local, offered.formats, "actpass", offered.direction)
    else:
        _freeswitch_first_offer(media, offered.local, offered.formats, offered.direction)


def _offhook_body(
    media: Media,
    local: LocalEnd,
    formats: Sequence[PayloadFormat],
    setup: Setup,
    direction: Direction,
    *,
    mid: str | None,
) -> None:
    _offhook_transport(media, local, setup, mid)
    media.add(direction.value)
    media.add("msid", f"{local.stream} a0")
    media.add("rtcp-mux")
    _write_formats(media, formats)
    media.add("ptime", "20")
    media.add("ssrc", f"{local.ssrc} cname:{local.cname}")
    media.add("ssrc", f"{local.ssrc} msid:{local.stream} a0")


def _offhook_transport(media: Media, local: LocalEnd, setup: Setup, mid: str | None) -> None:
    media.set_value("c", f"IN {_address(local.address)}")
    media.add("rtcp", f"{local.port} IN {_address(local.address)}")
    for candidate in local.candidates:
        media.add("candidate", str(candidate))
    media.add("end-of-candidates")
    media.add("ice-ufrag", local.ufrag)
    media.add("ice-pwd", local.password)
    media.add("fingerprint", f"sha-256 {local.fingerprint}")
    media.add("setup", setup)
    if mid is not None:
        media.add("mid", mid)


def _write_video(
    flavour: Flavour, session: Session, video: VideoShown, protocol: str, setup: Setup, *, mid: str | None
) -> None:
    local, number = video.local, video.format.payload_type
    media = session.add_media("video", local.port, protocol, [str(number)])
    if flavour == "freeswitch":
        media.set_value("b", "AS:3072")
        _write_formats(media, [video.format])
        if video.direction is not Direction.SENDRECV:
            media.add(video.direction.value)
        _freeswitch_dtls(media, local, setup)
        _write_feedback(media, number)
        _freeswitch_ssrc(media, local, track="v0")
        _freeswitch_ice(media, local, components=(1, 2) if setup == "actpass" else (1,))
        media.add("end-of-candidates")
        return
    _offhook_transport(media, local, setup, mid)
    media.add(video.direction.value)
    media.add("msid", f"{local.stream} v0")
    media.add("rtcp-mux")
    _write_formats(media, [video.format])
    _write_feedback(media, number)
    media.add("ssrc", f"{local.ssrc} cname:{local.cname}")
    media.add("ssrc", f"{local.ssrc} msid:{local.stream} v0")


def _write_feedback(media: Media, number: int) -> None:
    """What we understand of those who receive our video (RFC 4585 §4.2): requests for a key frame."""
    media.add("rtcp-fb", f"{number} ccm fir")
    media.add("rtcp-fb", f"{number} nack pli")


def _freeswitch_first_offer(
    media: Media, local: LocalEnd, formats: Sequence[PayloadFormat], direction: Direction
) -> None:
    _write_formats(media, formats)
    _freeswitch_dtls(media, local, "actpass")
    _freeswitch_ssrc(media, local)
    _freeswitch_ice(media, local, components=(1, 2))
    media.add("ptime", "20")
    if direction is not Direction.SENDRECV:
        media.add(direction.value)


def _freeswitch_body(
    media: Media, local: LocalEnd, formats: Sequence[PayloadFormat], setup: Setup, direction: Direction
) -> None:
    _write_formats(media, formats)
    if direction is not Direction.SENDRECV:
        media.add(direction.value)
    media.add("ptime", "20")
    _freeswitch_dtls(media, local, setup)
    _freeswitch_ice(media, local, components=(1, 2) if setup == "actpass" else (1,))
    media.add("end-of-candidates")
    _freeswitch_ssrc(media, local)


def _freeswitch_dtls(media: Media, local: LocalEnd, setup: Setup) -> None:
    media.add("fingerprint", f"sha-256 {local.fingerprint}")
    media.add("setup", setup)
    media.add("rtcp-mux")
    media.add("rtcp", f"{local.port} IN {_address(local.address)}")


def _freeswitch_ice(media: Media, local: LocalEnd, components: Sequence[int]) -> None:
    media.add("ice-ufrag", local.ufrag)
    media.add("ice-pwd", local.password)
    for candidate in local.candidates:
        for component in components:
            fields = f"{candidate.foundation[:10]} {component} udp {candidate.priority}"
            media.add("candidate", f"{fields} {candidate.host} {candidate.port} typ {candidate.type} generation 0")


def _freeswitch_ssrc(media: Media, local: LocalEnd, track: str = "a0") -> None:
    media.add("ssrc", f"{local.ssrc} cname:{local.cname}")
    media.add("ssrc", f"{local.ssrc} msid:{local.stream} {track}")
    media.add("ssrc", f"{local.ssrc} mslabel:{local.stream}")
    media.add("ssrc", f"{local.ssrc} label:{local.stream}{track}")


def _write_formats(media: Media, formats: Sequence[PayloadFormat]) -> None:
    for each in formats:
        channels = f"/{each.channels}" if each.channels > 1 else ""
        media.add("rtpmap", f"{each.payload_type} {each.name}/{each.clock_rate}{channels}")
        if each.parameters is not None:
            media.add("fmtp", f"{each.payload_type} {each.parameters}")


def _with_our_parameters(flavour: Flavour, offered: PayloadFormat) -> PayloadFormat:
    """The format of an answer: payload type and spelling are the offer's, the fmtp says what we can receive."""
    name = offered.name.lower()
    key = f"{name}/{offered.clock_rate}" if name == "telephone-event" else name
    codec = next(each for known, each in CODECS.items() if known.lower() == key)
    parameters = codec.parameters(flavour, again=True)
    return PayloadFormat(offered.payload_type, offered.name, offered.clock_rate, offered.channels, parameters)


def _reject(flavour: Flavour, media: Media, mid: str | None) -> None:
    """A section we do not want: port 0 (RFC 3264 §6), with the mid it was offered with."""
    if flavour == "offhook":
        media.set_value("c", "IN IP4 0.0.0.0")
    if mid is not None and flavour == "offhook":
        media.add("mid", mid)
    media.add(Direction.INACTIVE.value)


def _address(address: str) -> str:
    return f"IP6 {address}" if ":" in address else f"IP4 {address}"
