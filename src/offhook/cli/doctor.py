"""`offhook doctor`: check an installation, and say what is missing and how to mend it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import re
import signal
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from offhook.cli import serve
from offhook.config import Config
from offhook.doctor import report
from offhook.doctor.bench import Agent, Bench, Numbers
from offhook.doctor.checks import CHECKS
from offhook.doctor.findings import Finding, exit_status
from offhook.doctor.plan import TIME_LIMIT, Check, chosen, examine
from offhook.errors import ConfigError

PASSWORD = "OFFHOOK_PASSWORD"
"""The environment's variable with the password; with `_1000` behind it that of one extension."""

OTHERS_MAY_READ = 0o044
STOPPED = 130

FILE_REMEDY = 'Write one table an extension: [users.1000] with password = "..." and, for one, role = "supervisor"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `offhook serve`, and the doctor's own."""
    serve.add_arguments(parser)
    numbers = Numbers()
    add = parser.add_argument
    add(
        "--agents",
        metavar="FILE",
        help='TOML with the extensions that may be used: [users.1000], password = ..., role = "supervisor" for one',
    )
    add(
        "--agent",
        metavar="EXTENSION",
        action="append",
        help=f"an extension, without a file; its password is that of {PASSWORD}_EXTENSION or {PASSWORD}, or asked for. "
        "--supervisor is used too, in the same way",
    )
    add("--echo", metavar="NUMBER", help=f"a number that sends back what it hears (default {numbers.echo})")
    add("--queue", metavar="NUMBER-QUEUE", help="a queue whose agents may be rung (default: none)")
    add("--only", metavar="CHECK", action="append", help="this check, and those that it needs; several times")
    add("--json", action="store_true", help="the findings as one JSON object, and nothing else on standard output")
    limit = f"what has not begun by then is left (default {TIME_LIMIT:g})"
    add("--time-limit", type=float, metavar="SECONDS", help=limit)
    names = ", ".join(check.name for check in CHECKS)
    parser.epilog = (
        f"Checks: {names}. Exit status: 0 nothing failed, 1 something did, 2 wrong usage, {STOPPED} stopped by Ctrl-C, "
        "after which calls are ended and extensions logged out too. Findings come one by one; a whole run takes a "
        "minute. It calls its own extensions, the echo and the queue that is named, and leaves nothing behind."
    )


def run(args: argparse.Namespace) -> int:
    """0 where nothing failed, 1 where something did, 130 where it was stopped. Raises `ConfigError`."""
    config = serve.new_config(args)
    if config.media != "null":
        config = replace(config, media="local")  # wherever the agents' audio is, the doctor's is here
    if config.log_level == "debug":
        serve.log_to_stderr(config.log_level)
    checks = chosen(CHECKS, getattr(args, "only", ()))
    agents = agents_of(args, config)
    limit = getattr(args, "time_limit", TIME_LIMIT)
    if not 0 < limit <= 3600:
        raise ConfigError("time_limit", f"{limit:g} is not possible", "Give seconds, more than 0 and at most 3600")
    numbers = Numbers(echo=getattr(args, "echo", Numbers().echo), queue=getattr(args, "queue", ""))
    bench = Bench(config, agents, numbers)
    try:
        return asyncio.run(doctor(bench, checks, limit, as_json=getattr(args, "json", False)))
    except asyncio.CancelledError:  # SIGINT, SIGTERM
        return STOPPED


async def doctor(bench: Bench, checks: tuple[Check, ...], limit: float, *, as_json: bool) -> int:
    """Run the checks and tell of them; whatever ends it, every call is ended and everybody logged out."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell without job control has SIGINT ignored
        loop.add_signal_handler(number, task.cancel)
    progress = Progress(sys.stderr.isatty(), as_json, len(checks))
    begun = time.monotonic()
    try:
        findings = await examine(bench, checks, progress.tell, time_limit=limit)
    except asyncio.CancelledError:
        progress.wipe()
        print("stopped: ending calls, logging out", file=sys.stderr, flush=True)
        raise
    finally:
        await bench.close()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    seconds = time.monotonic() - begun
    if as_json:
        print(report.as_json(findings, bench.config.sip, bench.config.sip_domain, seconds))
    else:
        print(f"\n{report.summary(findings, seconds)}")
    return exit_status(findings)


class Progress:
    """Tells findings as they come and, on a terminal, which check runs."""

    def __init__(self, terminal: bool, as_json: bool, total: int) -> None:
        self._terminal = terminal
        self._as_json = as_json
        self._total = total
        self._begun = 0

    def tell(self, news: Check | Finding) -> None:
        if isinstance(news, Check):
            self._begun += 1
            if self._terminal:
                where = f"{self._begun} of {self._total}"
                print(f"...     {news.name:<{report.NAME}} {news.title} ({where})", end="", file=sys.stderr, flush=True)
            return
        self.wipe()
        if not self._as_json:
            print(report.lines(news), flush=True)

    def wipe(self) -> None:
        """Take the line of what runs away."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


# Who is called


def agents_of(args: argparse.Namespace, config: Config) -> tuple[Agent, ...]:
    """The extensions that may be used, each with its password. Raises `ConfigError`.

    No flag takes a password: everybody on the machine can read a command line.
    """
    found: dict[str, Agent] = {}
    path = getattr(args, "agents", None)
    if path is not None:
        found = read_agents(path, config.supervisor)
    for extension in (*getattr(args, "agent", ()), *config.supervisor):
        if extension not in found:
            if not re.fullmatch(r"[A-Za-z0-9\-_.!~*'()+#]{1,64}", extension):
                remedy = "Give its number alone; the password is asked for"
                raise ConfigError("agent", f"{extension.partition(':')[0]!r} is no extension", remedy)
            supervises = extension in config.supervisor
            found[extension] = Agent(extension, password_for(extension), supervises)
    return tuple(found.values())


def read_agents(path: str, supervisors: tuple[str, ...]) -> dict[str, Agent]:
    """The extensions of a file, which is as that of `offhook switch --users`. Raises `ConfigError`."""
    try:
        if os.stat(path).st_mode & OTHERS_MAY_READ:
            print(f"offhook doctor: {path} has passwords, and others may read it: chmod 600 {path}", file=sys.stderr)
        users: Any = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("users")
    except OSError as error:
        raise ConfigError("agents", f"{path!r} cannot be read ({error.strerror})", FILE_REMEDY) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("agents", f"{path!r} is not TOML ({error})", FILE_REMEDY) from None
    if not isinstance(users, dict) or not users:
        raise ConfigError("agents", f"{path!r} has no users", FILE_REMEDY)
    found = {}
    for extension, table in users.items():
        password = table.get("password") if isinstance(table, dict) else None
        if not isinstance(password, str) or not password:
            raise ConfigError("agents", f"{path!r} has no password for {extension}", FILE_REMEDY)
        supervises = extension in supervisors or table.get("role") == "supervisor"
        found[extension] = Agent(extension, password, supervises)
    return found


def password_for(extension: str) -> str:
    """From the environment or, at a terminal, from who sits there. Raises `ConfigError`."""
    given = os.environ.get(f"{PASSWORD}_{extension}") or os.environ.get(PASSWORD)
    if given:
        return given
    if not sys.stdin.isatty():
        remedy = f"Set {PASSWORD}_{extension} or {PASSWORD} in the environment, or give --agents FILE"
        raise ConfigError("agent", f"there is no password for {extension}", remedy)
    return getpass.getpass(f"password of {extension}: ", stream=sys.stderr)
