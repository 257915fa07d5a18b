"""What is fuzzed: each target takes octets and returns, or raises, and a raise is a finding.

    parse        parser, typed headers, writing again
    describe     session descriptions
    (agent)      the user agent, in agent_target.py

Nothing here knows of atheris: `run.py` wires the targets to it, tests replay findings through them without it.
"""

from __future__ import annotations

from offhook.errors import LocalError, ParseError
from offhook.media.engine import Direction
from offhook.media.sdp import Media, Session, answer_direction
from offhook.sip.digest import DigestClient
from offhook.sip.fields import Challenge, Credentials
from offhook.sip.grammar import check_text
from offhook.sip.message import Message, Request, Response
from offhook.sip.parser import KeepAlive, StreamParser, parse_message
from offhook.sip.uri import Uri
from offhook.testing.clock import SeededIds

READ = [name for name, it in vars(Message).items() if isinstance(it, property) and name != "text"]
READ_OF_REQUEST = [name for name, it in vars(Request).items() if isinstance(it, property)]
SECRETS = ("WWW-Authenticate", "Proxy-Authenticate")
LONGEST_VIEW = 64
"""Octets of a stream that are fed one by one; the rest in one piece."""


def read_everything(message: Message) -> None:
    """Every typed header: a ParseError, or a value whose text can stand in a line again."""
    for name in READ_OF_REQUEST + READ if isinstance(message, Request) else READ:
        try:
            value = getattr(message, name)
        except ParseError:
            continue
        for part in value if isinstance(value, list | tuple | frozenset) else (value,):
            if part is not None:
                check_text(str(part), name)
    _ = message.text
    for name in SECRETS:
        for text in message.headers.all(name):
            read_challenge(text)
    for text in message.headers.all("Authorization"):
        try:
            check_text(str(Credentials.parse(text)), "credentials")
        except ParseError:
            continue


def read_challenge(text: str) -> None:
    """A challenge: read, and written so that it reads the same."""
    try:
        challenges = Challenge.parse_many(text)
    except ParseError:
        return
    for challenge in challenges:
        check_text(str(challenge), "a challenge")


def check_again(message: Request | Response) -> None:
    """What was taken can be written, and is then the same message."""
    written = message.serialize()
    again = parse_message(written)
    assert type(again) is type(message), "it is another kind of message when read again"
    assert again.body == message.body, "another body when read again"
    assert again.serialize() == written, "other octets when written again"
    try:
        message.validate()
    except ParseError:
        return
    again.validate()
    for here, there in ((message.from_, again.from_), (message.to, again.to), (message.cseq, again.cseq)):
        assert here == there, "another value when read again"
    if isinstance(message, Request):
        try:
            response = message.response(200, to_tag="t")
        except LocalError:
            raise AssertionError("a valid request cannot be answered") from None
        got = parse_message(response.serialize())
        assert got.via == message.via, "a response goes elsewhere"
        answer_challenge(message)


def answer_challenge(message: Message) -> None:
    """A challenge, whatever it says, is answered or not."""
    if isinstance(message, Response) and message.status in (401, 407):
        client = DigestClient("1000", "secret", ids=SeededIds(1))
        try:
            answer = client.answer(message, "INVITE", "sip:a@b", b"")
        except ParseError:
            return
        if answer is not None:
            check_text(answer[1], answer[0])


def parse(data: bytes) -> None:
    """The first octet says how: even, one message; odd, a stream that is cut where the second octet says."""
    if len(data) < 2:
        return
    if data[0] & 1:
        stream(data[1] + 1, data[2:])
        return
    try:
        message = parse_message(data[1:])
    except ParseError:
        return
    read_everything(message)
    check_again(message)
    answer_challenge(message)
    uri(message.uri if isinstance(message, Request) else message.phrase)


def stream(size: int, data: bytes) -> None:
    """In pieces or at once: the same messages, or the same refusal."""
    whole, whole_failed = cut(StreamParser(), [data])
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    parts, parts_failed = cut(StreamParser(), pieces)
    assert whole_failed == parts_failed, "the cutting decides whether a stream is refused"
    # How CRLFs are counted depends on what has come: messages do not.
    if not whole_failed:
        assert whole == parts, "the cutting decides what a stream holds"


def cut(parser: StreamParser, pieces: list[bytes]) -> tuple[list[bytes], bool]:
    got: list[bytes] = []
    for piece in pieces:
        try:
            made = parser.receive(piece)
        except ParseError:
            return got, True
        for message in made:
            if not isinstance(message, KeepAlive):
                read_everything(message)
                got.append(message.serialize())
    return got, False


def uri(text: str) -> None:
    """A URI is read, and written so that it reads the same."""
    try:
        read = Uri.parse(text)
    except ParseError:
        return
    # Octets that make a character only together may be escaped or not: what is written is the same from then on.
    written = str(read)
    assert str(Uri.parse(written)) == written, "another URI when read again"


def describe(data: bytes) -> None:
    """A session description: every view of it, every second one also changed, and back."""
    try:
        session = Session.parse(data.decode("utf-8", "surrogateescape"))
    except ParseError as error:
        assert error.status == 488, "a description is refused by 488"
        return
    _ = session.origin, session.audio
    for media in session.media:
        look(media)
        if len(data) & 1:
            change(media)
    written = str(session)
    again = Session.parse(written)
    assert again.lines == session.lines and again.media == session.media, "another description when read again"


def look(media: Media) -> None:
    try:
        _ = (media.type, media.port, media.protocol, media.formats, media.rejected)
    except ParseError:
        raise AssertionError("a parsed description has an m= line that cannot be read") from None
    for candidate in media.candidates:
        str(candidate)
    formats = media.payload_formats
    assert all(0 <= each.payload_type <= 127 and each.clock_rate > 0 for each in formats)
    assert len(formats) <= len(media.formats)
    _ = (media.ice_ufrag, media.ice_pwd, media.fingerprints, media.setup, media.mid, media.rtcp_mux)
    assert media.ptime is None or 0 <= media.ptime < 10_000
    assert media.ssrc is None or 0 <= media.ssrc <= 0xFFFFFFFF


def change(media: Media) -> None:
    for wanted in (Direction.SENDONLY, Direction.INACTIVE):
        media.direction = wanted
        assert media.direction is wanted, "a direction does not hold"
        assert answer_direction(media.direction, Direction.SENDRECV) in Direction
    media.set("ptime", "20")
    assert media.ptime == 20, "an attribute does not hold"
    media.set("mid", "0")
    media.remove("candidate")
    assert not media.candidates, "an attribute stays"
    media.port = 0
    assert media.port == 0
