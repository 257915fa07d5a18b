"""The corpus that fuzzing begins with: the recorded traces of tests/data, and short messages of every kind.

python fuzz/seeds.py TARGET FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from offhook.sip.tracing import read_trace

TRACES = Path(__file__).resolve().parent.parent / "tests" / "data" / "traces"
MOST = 400
LONGEST = 2000

HEAD = (
    "Via: SIP/2.0/WS h.invalid;branch=z9hG4bK1;rport\nFrom: <sip:a@b>;tag=f\nTo: <sip:c@d>\nCall-ID: i\n"
    "Max-Forwards: 70\n"
)
LINES = (
    'Contact: "A, B" <sip:a@b:5060;transport=ws;ob>;expires=60;+sip.instance="<urn:uuid:1>", <sips:c@[::1]>;q=0.5',
    "Contact: *\nExpires: 0",
    "Route: <sip:p@q;lr>, <sip:r@s>;transport=ws\nRecord-Route: <sip:p@q;lr>",
    "Replaces: a@b;to-tag=1;from-tag=2;early-only\nRequire: replaces",
    "Refer-To: <sip:a@b?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&A=b>\nReferred-By: <sip:a@b>",
    'Reason: Q.850;cause=16;text="NORMAL",SIP;cause=200\nRetry-After: 30 (a b);duration=5',
    "Session-Expires: 1800;refresher=uac\nMin-SE: 90\nSupported: timer, 100rel",
    "Event: refer;id=3\nSubscription-State: terminated;reason=noresource;expires=0;retry-after=9",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT\nExpires: 4294967296\nMin-Expires: 60",
    "s: folded\n subject\n\tagain\nl: 0\nk: timer\nt: <tel:+1-2>\nf: sip:a@b;tag=1",
    'WWW-Authenticate: Digest realm="a, b", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=true\n'
    'WWW-Authenticate: Digest realm="a, b", nonce="n", algorithm=MD5',
    'Proxy-Authenticate: Digest realm="r",nonce="n",opaque="o",qop="auth"',
    'Authorization: Digest username="a", realm="r", nonce="n", uri="sip:b", response="0", nc=00000001, qop=auth',
    "Via: SIP/2.0/UDP [2001:db8::1]:5070;received=2001:db8::2;branch=z9hG4bK2, SIP / 2.0 / TCP h : 5 ;rport=6",
    "RAck: 1 1 INVITE\nRSeq: 1\nRequire: 100rel",
)
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "REGISTER", "PRACK", "REFER", "INFO")
URIS = ("sip:a:b@h:5060;transport=ws;x=%41?A=b&C=d%3B", "sips:[::1]", "tel:+1-2;phone-context=x", "urn:service:sos")
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=group:BUNDLE 0\r\na=setup:actpass\r\n"
    "a=fingerprint:sha-256 AA:BB\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
    "m=audio 4000 UDP/TLS/RTP/SAVPF 111 0 8 101\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=mid:0\r\na=rtcp-mux\r\na=sendonly\r\n"
    "a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host generation 0\r\na=ssrc:1 cname:x\r\n"
    "m=video 0 RTP/AVP 96\r\na=bundle-only\r\na=inactive\r\n"
)


def traced() -> Iterator[bytes]:
    """Every message of the traces, the shorter ones."""
    for path in sorted(TRACES.glob("*.txt")):
        for message in read_trace(path.read_text(errors="surrogateescape")):
            if len(message.data) <= LONGEST:
                yield message.data


def made() -> Iterator[bytes]:
    """Short messages that have every header between them."""
    for at, lines in enumerate(LINES):
        method, uri = METHODS[at % len(METHODS)], URIS[at % len(URIS)]
        for start in (f"{method} {uri} SIP/2.0", f"SIP/2.0 {(180, 200, 401, 407, 491)[at % 5]} x"):
            text = f"{start}\n{HEAD}CSeq: {at} {method}\n{lines}\n\n"
            yield text.replace("\n", "\r\n").encode()


def of_parse() -> Iterator[bytes]:
    for data in made():
        yield b"\0" + data
        framed = data.removesuffix(b"\r\n") + b"Content-Length: 3\r\n\r\nabc"
        yield b"\x01\x10" + framed + b"\r\n\r\n" + framed
    for data in traced():
        yield b"\0" + data


def of_describe() -> Iterator[bytes]:
    yield SDP.encode()
    yield SDP.replace("\r\n", "\n").encode()
    for data in traced():
        _, _, body = data.partition(b"\r\n\r\n")
        if body.startswith(b"v=0"):
            yield body


def of_agent() -> Iterator[bytes]:
    import agent_target

    yield from agent_target.seeds()


def write(name: str, folder: Path) -> int:
    """Write the seeds of a target, unless there is a corpus already; gives how many."""
    if folder.is_dir() and any(folder.iterdir()):
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    found = {"parse": of_parse, "describe": of_describe, "agent": of_agent}[name]()
    chosen = list(dict.fromkeys(found))
    for at, data in enumerate(chosen[:: max(1, len(chosen) // MOST)]):
        (folder / f"seed-{at:04}").write_bytes(data)
    return len(chosen)


if __name__ == "__main__":
    print(write(sys.argv[1], Path(sys.argv[2])))
