"""`offhook schema`: print the contract for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from offhook import __version__
from offhook.cti.asyncapi import asyncapi
from offhook.cti.schema import Json, commands, messages
from offhook.cti.typescript import typescript


def _printed(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[], str]] = {
    "commands": lambda: _printed(commands()),
    "events": lambda: _printed(messages()),
    "asyncapi": lambda: _printed(asyncapi(__version__)),
    "typescript": typescript,
}
"""What can be printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "form",
        choices=sorted(FORMS),
        help="commands, events: JSON Schema 2020-12; asyncapi: AsyncAPI 3.0, as JSON; typescript: declarations",
    )


def run(args: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(FORMS[args.form]())
    return 0
