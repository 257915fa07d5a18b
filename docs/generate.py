"""Write the parts of docs/ that are drawn from the code: state diagrams, error codes, the command line.

python docs/generate.py            write them
python docs/generate.py --check    say which are not up to date, and fail (the test suite does this)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from offhook.cli.main import build_parser
from offhook.cti.errors import CODES
from offhook.sip import client_transaction, connectivity, invite, registration, server_transaction

HERE = Path(__file__).resolve().parent
MARK = "<!-- Written by docs/generate.py (make docs); do not edit. -->\n\n"

Table = Mapping[tuple[Enum, Enum], tuple[Any, ...]]

DIAGRAMS: list[tuple[str, str, Table]] = [
    (
        "INVITE client transaction",
        "RFC 3261 figure 5, with RFC 6026 figure 2.",
        client_transaction.InviteClientTransaction.table,
    ),
    ("Non-INVITE client transaction", "RFC 3261 figure 6.", client_transaction.NonInviteClientTransaction.table),
    (
        "INVITE server transaction",
        "RFC 3261 figure 7, with RFC 6026 figure 1.",
        server_transaction.InviteServerTransaction.table,
    ),
    ("Non-INVITE server transaction", "RFC 3261 figure 8.", server_transaction.NonInviteServerTransaction.table),
    ("Session", "One INVITE dialog, both roles.", invite.TRANSITIONS),
    ("Registration", "One binding for the life of a login.", registration.TRANSITIONS),
    ("Connectivity", "The way to the server.", connectivity.TRANSITIONS),
]


def diagram(table: Table) -> str:
    """A table as a Mermaid state diagram: one arrow a row, rows with the same ends on one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, given), row in table.items():
        arrows.setdefault((state.name, row[0].name), []).append(str(given.value))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(table))[0].name}"]
    lines += [f"    {start} --> {end}: {', '.join(labels)}" for (start, end), labels in arrows.items()]
    starts = {start for start, _ in arrows}
    lines += [f"    {end} --> [*]" for end in dict.fromkeys(end for _, end in arrows if end not in starts)]
    return "\n".join([*lines, "```"])


def state_diagrams() -> str:
    parts = [
        "# State diagrams\n\nDrawn from the tables in the code; an input that a state has no arrow for is a stray "
        "and is dropped.\n"
    ]
    for title, source, table in DIAGRAMS:
        parts.append(f"## {title}\n\n{source} {len(table)} rows.\n\n{diagram(table)}\n")
    return "\n".join(parts)


def errors() -> str:
    lines = [
        "# Error codes\n",
        "`Error.response.code` and `commandResult.error.code`. A call that the other side refused has a code from",
        "outside this table: the text of its Reason header (`USER_BUSY`, `NO_ANSWER`, ...), or else its SIP status.\n",
        "| code | type | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{code}` | {row.type} | {row.meaning} |" for code, row in CODES.items()]
    return "\n".join(lines) + "\n"


def command_line() -> str:
    parser = build_parser()
    parts = ["# Command line\n", f"```\n{parser.format_help().rstrip()}\n```\n"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                parts.append(f"## offhook {name}\n\n```\n{sub.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "reference/state-diagrams.md": state_diagrams,
    "reference/errors.md": errors,
    "reference/command-line.md": command_line,
}


def main(arguments: list[str]) -> int:
    stale = []
    for name, page in PAGES.items():
        path = HERE / name
        text = MARK + page()
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text)
                print(f"wrote docs/{name}")
    if "--check" in arguments and stale:
        print(f"not up to date: {', '.join(stale)}; run: make docs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
