"""How fast SIP messages are read, against SIP.js, JsSIP, sipmessage and aiosipua, in one table.

    python benchmarks/parse.py [--seconds 0.2] [--repeats 7] [--peers FOLDER] [--json FILE]

The peers are installed into a scratch folder (`npm install`, `pip install --target`); one that cannot be installed is
left out, saying so. Everything runs on one core, the parties in turns, and the best of the repeats counts. Before
anything is timed, the values of Via, From, To, CSeq and Contact are compared across all of them. Exit status 1 where
they differ, or where a peer is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from offhook.sip.message import Message
from offhook.sip.parser import parse_message

HERE = Path(__file__).resolve().parent
PYTHON_PEERS = {"sipmessage": "0.7.1", "aiosipua": "0.7.1"}
NPM_PEERS = {"SIP.js": "sip.js", "JsSIP": "jssip"}
KINDS = {"invite": "INVITE", "ok": "200 OK"}
ROWS = {"five": "parse + Via, From, To, CSeq, Contact typed", "all": "parse + every header read"}
TARGET = 25_000
"""INVITEs a second with five typed headers that are asked for."""

SDP = """\
v=0
o=- 3823{n:06d} 2 IN IP4 127.0.0.1
s=-
t=0 0
m=audio 40{n:03d} UDP/TLS/RTP/SAVPF 111 126
c=IN IP4 127.0.0.1
a=rtcp-mux
a=setup:{setup}
a=mid:0
a=sendrecv
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:126 telephone-event/8000
a=fingerprint:sha-256 1B:0E:23:B6:F1:EC:2B:01:46:16:36:A5:2F:B5:D4:9F:EA:A8:B4:D6:60:E1:02:F0:11:44:0D:C5:62:AC:D0:E9
"""
INVITE = """\
INVITE sip:agent{n}@k68n4m4f{n:04d}.invalid;transport=ws SIP/2.0
Via: SIP/2.0/WS 127.0.0.1:5066;branch=z9hG4bKg1HNa17r{n:04d}
Max-Forwards: 69
From: "Extension {n}" <sip:{n}@127.0.0.1>;tag=gBpHSZyS{n:04d}
To: <sip:agent{n}@k68n4m4f{n:04d}.invalid;transport=ws>
Call-ID: 1d39abad-60e8-1240-b5b1-ee551d79{n:04d}
CSeq: 12311{n:04d} INVITE
Contact: <sip:mod_sofia@127.0.0.1:5060;transport=udp>
User-Agent: FreeSWITCH-mod_sofia/1.11.1-release~64bit
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE
Supported: timer, path, replaces
Session-Expires: 120;refresher=uac
Min-SE: 120
Content-Type: application/sdp
Content-Disposition: session
Content-Length: {length}
X-Queue: support@127.0.0.1
X-CallType: ACD
X-FS-Support: update_display,send_info

"""
OK = """\
SIP/2.0 200 OK
Via: SIP/2.0/WS k68n4m4f{n:04d}.invalid;branch=z9hG4bK50{n:04d};received=127.0.0.1;rport=51468
From: "Agent {n}" <sip:{n}@127.0.0.1>;tag=6bn1v9{n:04d}
To: <sip:1001@127.0.0.1>;tag=aNyveXS4{n:04d}
Call-ID: vltk1crarum8o6g{n:04d}
CSeq: {n} INVITE
Contact: <sip:1001@127.0.0.1:5066;transport=ws>
User-Agent: FreeSWITCH-mod_sofia/1.11.1-release~64bit
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE
Supported: timer, path, replaces
Allow-Events: talk, hold, conference, presence, as-feature-event, dialog, line-seize, call-info, refer
Session-Expires: 120;refresher=uac
Content-Type: application/sdp
Content-Disposition: session
Content-Length: {length}
Remote-Party-ID: "Outbound Call" <sip:1001@127.0.0.1>;party=calling;privacy=off;screen=no

"""

Values = list[list[Any]]
Read = Callable[[bytes], object]


def make_messages(kind: str, count: int = 256) -> list[bytes]:
    """Messages as FreeSWITCH sends them, no two alike, so that nothing can be remembered from one to the next."""
    made = []
    for n in range(1000, 1000 + count):
        body = SDP.format(n=n, setup="actpass" if kind == "invite" else "active")
        head = (INVITE if kind == "invite" else OK).format(n=n, length=len(body) + body.count("\n"))
        made.append((head + body).replace("\n", "\r\n").encode())
    return made


# Offhook

# What each library has a type for, by header of these messages; the others are read as text.
TYPED = {
    "Via": "vias",
    "From": "from_",
    "To": "to",
    "Call-ID": "call_id",
    "CSeq": "cseq",
    "Contact": "contacts",
    "Max-Forwards": "max_forwards",
    "Allow": "allow",
    "Supported": "supported",
    "Session-Expires": "session_expires",
    "Min-SE": "min_se",
    "Content-Type": "content_type",
}


def offhook_five(data: bytes) -> Values:
    m = parse_message(data)
    via, from_, to, cseq, contact = m.via, m.from_, m.to, m.cseq, m.contact
    assert contact is not None
    f, t, c = from_.uri, to.uri, contact.uri
    return [
        [via.transport, via.host, via.port, via.branch],
        [from_.display_name, f.user, f.host, f.port, from_.tag],
        [to.display_name, t.user, t.host, t.port, to.tag],
        [cseq.number, cseq.method],
        [contact.display_name, c.user, c.host, c.port, c.parameters.get("transport")],
    ]


def offhook_all(data: bytes) -> list[object]:
    m: Message = parse_message(data)
    return [getattr(m, TYPED[key]) if key in TYPED else value for key, value in m.headers]


# Peers


class Peer(Protocol):
    """One party: what it reads, and how long it takes."""

    def values(self, kind: str, row: str) -> list[Any]: ...

    def time(self, kind: str, row: str, rounds: int) -> float: ...


class PythonPeer:
    """A library of this interpreter: one function a row that reads a message."""

    def __init__(self, messages: dict[str, list[bytes]], five: Read, all_: Read) -> None:
        self._messages = messages
        self._read = {"five": five, "all": all_}

    def values(self, kind: str, row: str) -> list[Any]:
        return [self._read[row](data) for data in self._messages[kind]]

    def time(self, kind: str, row: str, rounds: int) -> float:
        read, messages = self._read[row], self._messages[kind]
        started = time.perf_counter()
        for _ in range(rounds):
            for data in messages:
                read(data)
        return time.perf_counter() - started


class NodePeer:
    """A library inside the one Node process."""

    def __init__(self, name: str, node: subprocess.Popen[str]) -> None:
        self._name = name
        self._node = node

    def _ask(self, **question: object) -> Any:
        stdin, stdout = self._node.stdin, self._node.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"peer": self._name, **question}) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def values(self, kind: str, row: str) -> list[Any]:
        answer: list[Any] = self._ask(kind=kind, row=row, what="values")
        return answer

    def time(self, kind: str, row: str, rounds: int) -> float:
        return float(self._ask(kind=kind, row=row, what="time", rounds=rounds)["seconds"])


def make_sipmessage(messages: dict[str, list[bytes]]) -> PythonPeer:
    from sipmessage import Message as Sip  # type: ignore[import-not-found]

    typed = {
        "Via": "via",
        "From": "from_address",
        "To": "to_address",
        "Call-ID": "call_id",
        "CSeq": "cseq",
        "Contact": "contact",
        "Max-Forwards": "max_forwards",
        "Supported": "supported",
        "User-Agent": "user_agent",
        "Content-Type": "content_type",
        "Content-Length": "content_length",
    }

    def five(data: bytes) -> Values:
        m = Sip.parse(data)
        via, from_, to, cseq, contact = m.via[0], m.from_address, m.to_address, m.cseq, m.contact[0]
        f, t, c = from_.uri, to.uri, contact.uri
        return [
            [via.transport, via.host, via.port, via.parameters["branch"]],
            [from_.name, f.user, f.host, f.port, from_.parameters.get("tag")],
            [to.name, t.user, t.host, t.port, to.parameters.get("tag")],
            [cseq.sequence, cseq.method],
            [contact.name, c.user, c.host, c.port, c.parameters.get("transport")],
        ]

    def read_all(data: bytes) -> list[object]:
        m = Sip.parse(data)
        return [getattr(m, typed[key]) if key in typed else m.headers.getlist(key) for key in m.headers.keys()]

    return PythonPeer(messages, five, read_all)


def make_aiosipua(messages: dict[str, list[bytes]]) -> PythonPeer:
    from aiosipua import SipMessage as Sip  # type: ignore[import-not-found]

    typed = {
        "Via": "via",
        "From": "from_addr",
        "To": "to_addr",
        "CSeq": "cseq",
        "Call-ID": "call_id",
        "Contact": "contact",
        "Content-Type": "content_type",
        "Content-Length": "content_length",
    }

    def five(data: bytes) -> Values:
        m = Sip.parse(data)
        via, from_, to, cseq, contact = m.via[0], m.from_addr, m.to_addr, m.cseq, m.contact[0]
        f, t, c = from_.uri, to.uri, contact.uri
        return [
            [via.transport, via.host, via.port, via.branch],
            [from_.display_name, f.user, f.host, f.port, from_.tag],
            [to.display_name, t.user, t.host, t.port, to.tag],
            [cseq.seq, cseq.method],
            [contact.display_name, c.user, c.host, c.port, c.params.get("transport")],
        ]

    def read_all(data: bytes) -> list[object]:
        m = Sip.parse(data)
        return [getattr(m, typed[key]) if key in typed else values for key, values in m.headers.items()]

    return PythonPeer(messages, five, read_all)


def run(command: list[str], cwd: Path, log: IO[str]) -> bool:
    print("$", " ".join(command), file=log, flush=True)
    try:
        return subprocess.run(command, cwd=cwd, stdout=log, stderr=log, check=False, timeout=600).returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=log)
        return False


def install(folder: Path) -> None:
    """Bring the peers into the folder, unless they are there; what goes wrong is in its install.log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "install.log").open("a") as log:
        wanted = [f"{name}=={version}" for name, version in PYTHON_PEERS.items()]
        target = folder / "python"
        if not all((target / name).is_dir() for name in PYTHON_PEERS):
            run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), *wanted], folder, log)
        for path in (HERE / "parse_peers").iterdir():
            shutil.copy(path, folder / path.name)
        if not all((folder / "node_modules" / name).is_dir() for name in NPM_PEERS.values()):
            run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder, log)


@contextmanager
def open_peers(folder: Path, messages: dict[str, list[bytes]]) -> Iterator[dict[str, Peer]]:
    """Offhook first, then every peer that could be installed."""
    peers: dict[str, Peer] = {"Offhook": PythonPeer(messages, offhook_five, offhook_all)}
    node: subprocess.Popen[str] | None = None
    if all((folder / "node_modules" / name).is_dir() for name in NPM_PEERS.values()) and shutil.which("node"):
        texts = {kind: [data.decode() for data in several] for kind, several in messages.items()}
        (folder / "messages.json").write_text(json.dumps(texts))
        command = ["node", "runner.mjs", "messages.json"]
        node = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        peers |= {name: NodePeer(name, node) for name in NPM_PEERS}
    sys.path.append(str(folder / "python"))
    for name, make in (("sipmessage", make_sipmessage), ("aiosipua", make_aiosipua)):
        try:
            peers[name] = make(messages)
        except ImportError:
            continue
    try:
        yield peers
    finally:
        if node is not None:
            node.communicate()


def differences(peers: dict[str, Peer]) -> list[str]:
    """Where a peer reads other values than Offhook: one sentence each."""

    def plain(values: Values) -> Values:
        # Absent is None here, undefined or an empty text elsewhere; JsSIP and SIP.js write host names in lower case.
        return [
            [item.lower() if isinstance(item, str) else item for item in (i or None for i in part)] for part in values
        ]

    found = []
    for kind in KINDS:
        want = [plain(values) for values in peers["Offhook"].values(kind, "five")]
        for name, peer in peers.items():
            got = [plain(values) for values in peer.values(kind, "five")]
            if got != want:
                at = next(index for index, (one, other) in enumerate(zip(got, want, strict=True)) if one != other)
                found.append(f"{name} reads {got[at]} in {KINDS[kind]} {at} and Offhook {want[at]}")
    return found


def measure(peers: dict[str, Peer], seconds: float, repeats: int, count: int) -> dict[tuple[str, str, str], float]:
    """Messages a second by kind, row and peer: the best of the repeats, in which the peers take turns."""
    rates: dict[tuple[str, str, str], float] = {}
    for kind in KINDS:
        for row in ROWS:
            rounds = {}
            for name, peer in peers.items():
                peer.time(kind, row, 2)  # Warm: JavaScript is compiled only by and by.
                rounds[name] = max(1, round(2 * seconds / peer.time(kind, row, 2)))
                peer.time(kind, row, rounds[name])
            for _ in range(repeats):
                for name, peer in peers.items():
                    rate = count * rounds[name] / peer.time(kind, row, rounds[name])
                    rates[kind, row, name] = max(rate, rates.get((kind, row, name), 0.0))
    return rates


def show(rates: dict[tuple[str, str, str], float], peers: dict[str, Peer], sizes: dict[str, int]) -> None:
    cells = [(kind, row) for row in ROWS for kind in KINDS]
    print(f"{'messages a second':<20}" + "".join(f"{f'{KINDS[kind]} {row}':>22}" for kind, row in cells))
    for name in peers:
        line = f"{name:<20}"
        for kind, row in cells:
            rate, ours = rates[kind, row, name], rates[kind, row, "Offhook"]
            line += f"{rate:>13,.0f} {f'({ours / rate:.1f}x)' if name != 'Offhook' else '':>8}"
        print(line)
    print()
    print("(n x): Offhook is so many times as fast. " + "; ".join(f"{row}: {text}" for row, text in ROWS.items()))
    print("Sizes: " + ", ".join(f"{KINDS[kind]} {size} octets" for kind, size in sizes.items()))
    ours = rates["invite", "five", "Offhook"]
    print(f"{'Met' if ours >= TARGET else 'MISSED'}: {TARGET:,} INVITE/s with five typed headers ({ours:,.0f})")


def main() -> int:
    options = argparse.ArgumentParser(description="Time the reading of SIP messages against other libraries.")
    options.add_argument("--seconds", type=float, default=0.2, help="length of one timing (default: %(default)s)")
    options.add_argument("--repeats", type=int, default=7, help="timings of each kind (default: %(default)s)")
    options.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "offhook-parse-peers")
    options.add_argument("--json", type=Path, help="write the rates to this file too")
    given = options.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # One core for all, Node too.
    install(given.peers)
    messages = {kind: make_messages(kind) for kind in KINDS}
    with open_peers(given.peers, messages) as peers:
        for name in [*NPM_PEERS, *PYTHON_PEERS]:
            if name not in peers:
                print(f"{name} is left out: it could not be installed, see {given.peers / 'install.log'}")
        wrong = differences(peers)
        if wrong:
            print("\n".join(wrong))
            return 1
        print(f"Python {platform.python_version()}, one core")
        print(f"Via, From, To, CSeq, Contact are equal in all of {', '.join(peers)}")
        rates = measure(peers, given.seconds, given.repeats, len(messages["invite"]))
    show(rates, peers, {kind: len(messages[kind][0]) for kind in KINDS})
    if given.json:
        given.json.write_text(
            json.dumps({" / ".join(key): round(rate) for key, rate in rates.items()}, indent=1) + "\n"
        )
    return 0 if all(rate <= rates[kind, row, "Offhook"] for (kind, row, _), rate in rates.items()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
