"""`offhook ladder`: draw a SIP trace."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from offhook.errors import ParseError
from offhook.sip.parser import parse_message
from offhook.sip.tracing import TracedMessage, draw_ladder, read_trace

MAX_BYTES = 256 * 1024 * 1024

REQUEST, SUCCESS, FAILURE, OFF = "\x1b[36m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    add = parser.add_argument
    add("file", metavar="FILE", help="a trace, as --sip-trace writes it; - reads the standard input")
    add("--call", metavar="CALL", help="one call: its number in the ladder (#N), or the beginning of its Call-ID")
    add("--who", metavar="NAME", action="append", help="one extension; may be given several times")
    add("--color", choices=("auto", "always", "never"), default="auto", help="default: on a terminal")


def run(args: argparse.Namespace) -> int:
    """Draw it; 0, or 1 and a sentence where there is nothing to draw."""
    try:
        text = read(args.file)
        messages = read_trace(text)
        if not messages:
            raise Nothing(f"{shown(args.file)} is no SIP trace: no line in it reads `---- HH:MM:SS.mmm  WHO -> PEER`")
        messages = chosen(messages, args.who, args.call)
    except Nothing as problem:
        print(f"offhook ladder: {problem}", file=sys.stderr)
        return 1
    ladder = draw_ladder(messages)
    color = args.color == "always" or (args.color == "auto" and sys.stdout.isatty())
    sys.stdout.write(paint(ladder) if color else ladder)
    return 0


class Nothing(Exception):
    """There is nothing to draw; the text says why."""


def shown(file: str) -> str:
    return "the standard input" if file == "-" else file


def read(file: str) -> str:
    """The text of a file. Raises `Nothing`."""
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Nothing(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise Nothing(f"{shown(file)} is larger than {MAX_BYTES >> 20} MiB: cut it first")
    return data.decode("utf-8", "surrogateescape")


def chosen(messages: list[TracedMessage], who: list[str] | None, call: str | None) -> list[TracedMessage]:
    """The messages of these extensions and this call. Raises `Nothing`, which says what there is."""
    if who:
        names = list(dict.fromkeys(message.who for message in messages))
        # An extension with several devices stands as 1000/first, 1000/second.
        found = [message for message in messages if message.who in who or message.who.partition("/")[0] in who]
        if not found:
            raise Nothing(f"nobody of that name is in the trace; there are {', '.join(names)}")
        messages = found
    if call is None:
        return messages
    calls = [call_id(message) for message in messages]
    known = list(dict.fromkeys(name for name in calls if name))
    wanted = {name for name in known if name.startswith(call)}
    number = re.fullmatch(r"#?([1-9][0-9]{0,6})", call)
    if number is not None and not wanted and int(number[1]) <= len(known):
        wanted = {known[int(number[1]) - 1]}
    if not wanted:
        raise Nothing(f"no such call is in the trace; there are #1 to #{len(known)}")
    return [message for message, name in zip(messages, calls, strict=True) if name in wanted]


def call_id(message: TracedMessage) -> str:
    """The Call-ID, or nothing where there is none."""
    try:
        return parse_message(message.data).headers.get("Call-ID") or ""
    except ParseError:
        return ""


def paint(ladder: str) -> str:
    """The ladder with failures red, successes green and requests blue."""
    painted = []
    for line in ladder.splitlines():
        status = re.search(r"[─◀] ([1-6])\d\d ", line)
        color = (SUCCESS if status[1] in "12" else FAILURE) if status else REQUEST if re.search(r"[▶◀]", line) else ""
        painted.append(f"{color}{line}{OFF}" if color else line)
    return "\n".join(painted) + "\n"
