"""`offhook`: finds the sub-command, and says in words what was configured wrongly."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence

from offhook import __version__
from offhook.errors import ConfigError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("offhook.cli.demo", "a switch, a gateway and two agents that call each other: see it all work"),
    "serve": (
        "offhook.cli.serve",
        "the gateway: the contract on a WebSocket, SIP to the server, audio in this process",
    ),
    "doctor": ("offhook.cli.doctor", "check an installation, and say what is missing and how to mend it"),
    "switch": ("offhook.cli.switch", "a development switch that imitates FreeSWITCH on the wire"),
    "ladder": ("offhook.cli.ladder", "draw a SIP trace as a ladder"),
    "schema": ("offhook.cli.schema", "the commands and events as JSON Schema, AsyncAPI or TypeScript"),
}
"""Name, module, and what it is; a module is imported when its command is called."""

WRONG_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = new_parser(next((word for word in given if not word.startswith("-")), None))
    args = parser.parse_args(given)
    if args.command is None:
        parser.print_help()
        return WRONG_USAGE
    try:
        return int(importlib.import_module(COMMANDS[args.command][0]).run(args))
    except ConfigError as error:
        if ": " in error.field:  # a file and the key in it
            print(f"offhook {args.command}: {error}".rstrip(".") + ".", file=sys.stderr)
            return WRONG_USAGE
        flag = error.field if error.field.startswith("-") else "--" + error.field.replace("_", "-")
        print(f"offhook {args.command}: {flag}: {error.problem}. {in_flags(error.remedy)}.", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `offhook ladder FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def new_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the chosen command's module is imported for its flags."""
    parser = argparse.ArgumentParser(
        prog="offhook",
        description="A call-centre phone for programs and browsers on FreeSWITCH. Begin with: offhook demo",
    )
    parser.add_argument("--version", action="version", version=f"offhook {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, allow_abbrev=False, help=summary, description=f"offhook {name}: {summary}.")
        if name == chosen:
            importlib.import_module(module).add_arguments(sub)
    return parser


def in_flags(remedy: str) -> str:
    """A remedy that names keys of the configuration, with the flags' names instead."""
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda key: "--" + key[0].replace("_", "-"), remedy).rstrip(".")
