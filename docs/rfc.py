"""The page docs/reference/rfc.md: what of which RFC is done, where it is tested, what deviates and what is left out.

It is drawn from marks in comments and docstrings of src/ and tests/: `RFC 3261 §12.2.1.1`, also with `section` or with
nothing before the number, and with more numbers behind commas and `and`. The sentence that a mark stands in says what
is done. Deviations are the rows of reference/deviations.md, under the RFCs that they name; what is left out stands
here.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 220
"""Characters of a sentence on the page."""
ROW_OF_SENTENCES = 3

NUMBER = r"[0-9]{1,2}(?:\.[0-9]+)*(?![0-9])"
MARK = re.compile(
    rf"RFC ?([0-9]{{4}})((?:,? (?:§§?|sections? )|,? (?={NUMBER}\.[0-9]|{NUMBER}\b(?! [a-z]))){NUMBER}"
    rf"(?:(?:, | and |; |/)(?:§|section )?{NUMBER}(?=[\s.,;:)\]]|$))*)?"
)
SENTENCE = re.compile(r"(?<=[.:!?])\s+(?=[A-Z`\"(])")

TITLES = {
    2782: "DNS SRV records",
    2833: "Telephone events in RTP (old)",
    3261: "SIP",
    3262: "Reliable provisional responses (PRACK)",
    3263: "Locating SIP servers",
    3264: "Offer and answer",
    3311: "UPDATE",
    3323: "Privacy",
    3325: "Asserted identity",
    3326: "Reason",
    3327: "Path",
    3403: "NAPTR",
    3515: "REFER",
    3551: "RTP profile for audio",
    3581: "rport",
    3711: "SRTP",
    3840: "User agent capabilities",
    3891: "Replaces",
    3892: "Referred-By",
    3966: "tel: URIs",
    3986: "URIs",
    4028: "Session timers",
    4145: "Connection-oriented media in SDP",
    4320: "Non-INVITE transactions, corrected",
    4412: "Resource priority",
    4475: "SIP torture tests",
    4488: "REFER without a subscription",
    4566: "SDP (old)",
    4733: "Telephone events in RTP",
    4961: "Symmetric RTP",
    5057: "Several dialog usages",
    5118: "SIP torture tests for IPv6",
    5576: "Sources in SDP",
    5626: "Connections that a client begins (outbound)",
    5627: "GRUU",
    5761: "RTP and RTCP on one port",
    5763: "DTLS-SRTP",
    5922: "Domain certificates in SIP",
    6026: "INVITE transactions, corrected",
    6086: "INFO",
    6141: "Re-INVITE and target refresh",
    6337: "Offer and answer in SIP, explained",
    6455: "WebSocket",
    6665: "Event notification",
    7118: "SIP over WebSocket",
    7235: "HTTP authentication",
    7587: "Opus in RTP",
    7616: "HTTP digest authentication",
    8122: "Fingerprints in SDP",
    8599: "Push notification",
    8760: "Digest with SHA-256",
    8839: "ICE in SDP",
    8842: "DTLS in SDP",
    8866: "SDP",
    9143: "BUNDLE",
}

LEFT_OUT: tuple[tuple[int, str, str], ...] = (
    (3261, "§16, proxies", "Offhook is a user agent; the development switch is one too, back to back"),
    (3261, "§23, S/MIME", "no server that Offhook is made for does it; TLS and SRTP protect what passes"),
    (3261, "§10.3, registrars", "only as much as the development switch needs"),
    (
        3261,
        "§18.1.1, from UDP to TCP for long messages",
        "the transport is configured: who has long messages configures TCP",
    ),
    (
        3261,
        "§8.1.3.4, redirection",
        "followed where it is configured, else told to the owner: a call goes where it was sent",
    ),
    (3323, "privacy", "a matter of the server: the caller's number is set there"),
    (3265, "event notification, first edition", "superseded by RFC 6665"),
    (3903, "PUBLISH", "presence of agents is told by the gateway's own events"),
    (4412, "resource priority", "no use in a call centre"),
    (4474, "identity", "superseded by RFC 8224, which is between carriers"),
    (5393, "§4, loop detection", "for proxies"),
    (5630, "sips:", "read and written; a call to a sips: URI goes over the one connection to the server"),
    (5768, "ICE in SIP option tags", "nobody requires them"),
    (5922, "domain certificates", "the name in the certificate is that of the server's URL, as in HTTPS"),
    (6665, "SUBSCRIBE as a subscriber", "only the subscription that REFER makes; FreeSWITCH tells the rest unasked"),
    (8599, "push notification", "the user agent lives in a server process that is always on"),
)


@dataclass
class Section:
    """What is known of one section of one RFC."""

    sentences: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    tests: set[str] = field(default_factory=set)


def texts(source: str) -> Iterator[str]:
    """Comments (neighbouring lines as one) and strings that are statements, each as one line of text."""
    block: list[str] = []
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1 and block:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("#").strip())
            last = token.start[0]
    if block:
        yield " ".join(block)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for paragraph in node.value.value.split("\n\n"):
                yield " ".join(paragraph.split())


def marks(text: str) -> Iterator[tuple[int, str, str]]:
    """RFC, section (empty: all of it) and sentence of every mark in a text."""
    for sentence in SENTENCE.split(text):
        for found in MARK.finditer(sentence):
            numbers = re.findall(NUMBER, found.group(2) or "")
            for section in numbers or [""]:
                yield int(found.group(1)), section, sentence


def collect() -> dict[int, dict[str, Section]]:
    """All marks of the tree, in an order that depends on names alone."""
    found: dict[int, dict[str, Section]] = defaultdict(lambda: defaultdict(Section))
    for folder in ("src", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for text in texts(path.read_text()):
                for rfc, number, sentence in marks(text):
                    section = found[rfc][number]
                    (section.sources if folder == "src" else section.tests).add(name)
                    if folder == "src" and sentence not in section.sentences:
                        section.sentences.append(sentence)
    return found


def deviations() -> dict[int, list[tuple[str, str, str, str]]]:
    """The rows of deviations.md by the RFCs that their rule names."""
    found: dict[int, list[tuple[str, str, str, str]]] = defaultdict(list)
    for line in (ROOT / "docs" / "reference" / "deviations.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4:
            for rfc in dict.fromkeys(re.findall(r"RFC ([0-9]{4})", cells[1])):
                found[int(rfc)].append((cells[0], cells[1], cells[2], cells[3]))
    return found


def link(names: set[str]) -> str:
    return ", ".join(f"[{name.removeprefix('src/offhook/')}](../../{name})" for name in sorted(names))


def said(section: Section) -> str:
    """The sentences, shortened and such that they can stand in a table."""
    short = []
    for sentence in sorted(section.sentences)[:ROW_OF_SENTENCES]:
        text = sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 1].rsplit(" ", 1)[0] + " …"
        short.append(re.sub(r"([|<>*\[\]])", r"\\\1", text))
    return " · ".join(short)


def order(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split(".")) if section else ()


def chapter(rfc: int, sections: dict[str, Section], deviating: list[tuple[str, str, str, str]]) -> str:
    title = TITLES.get(rfc)
    lines = [f"## RFC {rfc}{f': {title}' if title else ''}", ""]
    if sections:
        lines += ["| section | what is done | where | tests |", "|---|---|---|---|"]
    for number in sorted(sections, key=order):
        section = sections[number]
        where = f"§{number}" if number else "as a whole"
        lines.append(f"| {where} | {said(section)} | {link(section.sources)} | {link(section.tests)} |")
    for what, rule, ours, why in deviating:
        lines += ["", f"Deviates: **{what}**. {rule}. Ours: {ours}. Why: {why}."]
    left = [(what, why) for number, what, why in LEFT_OUT if number == rfc]
    for what, why in left:
        lines += ["", f"Left out: **{what}**: {why}."]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page, without the mark of generated pages."""
    found, deviating = collect(), deviations()
    parts = [
        "# RFCs\n\n"
        "What of which RFC is done, and where; what [deviates](deviations.md), and why; what is left out. Drawn from\n"
        "marks in comments and docstrings (`RFC NNNN §x.y`): of a section without a row here nothing is said.\n"
    ]
    for rfc in sorted({*found, *deviating, *(number for number, _, _ in LEFT_OUT)}):
        parts.append(chapter(rfc, found.get(rfc, {}), deviating.get(rfc, [])))
    return "\n".join(parts)
