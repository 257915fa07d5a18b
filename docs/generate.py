"""Write the parts of docs/ that are drawn from the code: state diagrams, error codes, the command line, the schemas.

python docs/generate.py            write them
python docs/generate.py --check    say which are not up to date, and fail (the test suite does this)
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import messages
import recovery
import rfc

from offhook.cli.main import COMMANDS, new_parser
from offhook.cli.schema import FORMS
from offhook.cti import recovering
from offhook.cti.errors import CODES
from offhook.gateway.openapi import document
from offhook.sip import (
    client_transaction,
    connectivity,
    invite_client,
    invite_server,
    negotiation,
    registration,
    renegotiation,
    server_transaction,
    subscription,
)

HERE = Path(__file__).resolve().parent
MARK = "<!-- Written by docs/generate.py (make docs); do not edit. -->\n\n"

Table = Mapping[tuple[Enum, Enum], "Enum | tuple[Any, ...]"]

DIAGRAMS: list[tuple[str, str, Table]] = [
    ("INVITE client transaction", "RFC 3261 figure 5, with RFC 6026 figure 2.", client_transaction.INVITE),
    ("Non-INVITE client transaction", "RFC 3261 figure 6.", client_transaction.NON_INVITE),
    ("INVITE server transaction", "RFC 3261 figure 7, with RFC 6026 figure 1.", server_transaction.INVITE),
    ("Non-INVITE server transaction", "RFC 3261 figure 8.", server_transaction.NON_INVITE),
    ("Session that we began", "One INVITE dialog, from dialling to its end.", invite_client.TRANSITIONS),
    ("Session that the peer began", "One INVITE dialog, from ringing to its end.", invite_server.TRANSITIONS),
    ("Offer and answer", "Who owes what, RFC 3264 and 6337.", negotiation.TRANSITIONS),
    ("Renegotiation", "A re-INVITE of ours, RFC 3261 14.", renegotiation.TRANSITIONS),
    ("Referral", "A REFER of ours and its subscription, RFC 3515.", subscription.TRANSITIONS),
    ("Registration", "One binding for the life of a login, RFC 3261 10.", registration.TRANSITIONS),
    ("Connectivity", "The way to the server.", connectivity.TRANSITIONS),
    ("Recovery", "One call on its way back after the connection was lost.", recovering.TRANSITIONS),
]


def diagram(table: Table) -> str:
    """A table as a Mermaid state diagram: one arrow a row, rows with the same ends on one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, given), row in table.items():
        end = row[0] if isinstance(row, tuple) else row
        arrows.setdefault((state.name, end.name), []).append(str(given.value))
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
    parts = ["# Command line\n", f"```\n{new_parser(None).format_help().rstrip()}\n```\n"]
    for name in COMMANDS:
        subparsers = next(
            action for action in new_parser(name)._actions if isinstance(action, argparse._SubParsersAction)
        )
        parts.append(f"## offhook {name}\n\n```\n{subparsers.choices[name].format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def defects() -> str:
    """The table of reference-behaviour.md §8: each defect and what its test says of ours."""
    path = HERE.parent / "tests" / "cti" / "test_defects.py"
    rows = []
    for each in ast.parse(path.read_text()).body:
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_defect_"):
            number, _, name = each.name.removeprefix("test_defect_").partition("_")
            said = " ".join((ast.get_docstring(each) or "").split())
            rows.append(f"| {int(number)} | {name.replace('_', ' ')} | {said} |")
    head = "# Defects of the reference library that Offhook does not have\n\n"
    head += (
        "One test each in `tests/cti/test_defects.py`, `test_defect_<number>_...`; numbers and names are those of the\n"
    )
    head += "fact sheet of the reference's behaviour (§8). Where a choice was open, the contract decided it.\n\n"
    return head + "| # | Defect | Offhook |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def openapi() -> str:
    return json.dumps(document(), indent=2) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "reference/state-diagrams.md": state_diagrams,
    "reference/recovery.md": recovery.page,
    "reference/errors.md": errors,
    "reference/command-line.md": command_line,
    "reference/defects.md": defects,
    "reference/rfc.md": rfc.page,
    "reference/asyncapi.md": messages.page,
    "reference/asyncapi.json": FORMS["asyncapi"],
    "reference/openapi.json": openapi,
    "reference/commands.schema.json": FORMS["commands"],
    "reference/events.schema.json": FORMS["events"],
    "reference/offhook.d.ts": FORMS["typescript"],
}


# Sentences of docstrings stand in these: of them, only the headings make a page out of date. `make docs` writes it all.
BY_HEADINGS = {"reference/rfc.md"}


def same(name: str, old: str, new: str) -> bool:
    """Whether a page that is there is up to date."""
    if name not in BY_HEADINGS:
        return old == new
    kept, fresh = ([line for line in text.splitlines() if line.startswith("#")] for text in (old, new))
    return kept == fresh


def main(arguments: list[str]) -> int:
    os.environ["COLUMNS"] = "100"  # argparse wraps its help to the terminal's width
    stale = []
    for name, page in PAGES.items():
        path = HERE / name
        text = MARK + page() if name.endswith(".md") else page()
        old = path.read_text() if path.exists() else ""
        if "--check" in arguments and not same(name, old, text):
            stale.append(name)
        elif "--check" not in arguments and old != text:
            path.write_text(text)
            print(f"wrote docs/{name}")
    if stale:
        print(f"not up to date: {', '.join(stale)}; run: make docs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
