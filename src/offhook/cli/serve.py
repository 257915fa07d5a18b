"""`offhook serve`: run the gateway until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import fields
from typing import Any

from offhook import __version__
from offhook.config import DEFAULT_SERVERS, LOG_LEVELS, MEDIA, Config, read_file
from offhook.cti.dialects import DIALECTS
from offhook.cti.settings import MONITORING_PREFIXES
from offhook.errors import ConfigError
from offhook.gateway.app import Gateway
from offhook.gateway.logs import JsonLines

DEFAULTS = {field.name: field.default for field in fields(Config)}
TEXTS = (
    ("--listen", "HOST:PORT", "where desks connect"),
    ("--domain", "NAME", "SIP domain of the extensions; default: the host of the first server"),
    ("--source", "AUDIO", "what calls send: silence, echo, tone:440 or a WAV file"),
    ("--media-address", "ADDRESS", "where audio is received; default: 127.0.0.1 if the server is there too, else all"),
    ("--ca-file", "FILE", "authorities of wss: servers, PEM; default: those of this machine"),
    ("--sip-trace", "FILE", "write every SIP message there, secrets and digits masked, readable by you alone"),
    ("--realm", "NAME", "the only realm whose challenges are answered; default: the domain's and the registration's"),
    ("--instance", "UUID", "of this gateway: gives each agent a +sip.instance that stays the same (RFC 5626)"),
    ("--audit-log", "FILE", "write one JSON line for each monitoring, whisper and barge there"),
    ("--journal", "FILE", "keep agents and calls there: another process on that file goes on with them"),
    ("--media-address-type", "TEXT", "participants[].mediaAddressType; default: Offhook's own"),
    ("--password-source", "SOURCE", "login: each extension's own; static:FILE: one for all, and logins carry tokens"),
    ("--token-issuer", "NAME", "iss of the tokens that are taken"),
    ("--token-audience", "NAME", "aud of the tokens that are taken"),
    ("--tls-certificate", "FILE", "serve wss: and https: with this certificate, PEM"),
    ("--tls-key", "FILE", "its private key, PEM"),
)
CHOICES = (
    ("--dialect", tuple(DIALECTS), "FreeSWITCH with our conf/freeswitch, or the vendor's media server"),
    ("--media", MEDIA, "audio in this process, in the agents' pages, or signalling alone"),
    ("--ice-policy", ("all", "relay"), "whether pages use every way to the server, or a TURN relay alone"),
    ("--dtmf", ("info", "rtp"), "how digits are sent: SIP INFO, or telephone-events in the audio"),
    ("--call-waiting", ("announce", "busy"), "a second inbound call is told, or refused with 486"),
    ("--after-grace", ("logout", "stay"), "what becomes of an agent whose desk does not come back"),
    ("--log-level", LOG_LEVELS, "how much is logged, on the standard error"),
    ("--log-format", ("text", "json"), "lines for people, or one JSON object a line"),
)
REPEATED = (
    ("--supervisor", "EXTENSION", "an extension that may listen, whisper and barge in"),
    (
        "--monitoring-prefix",
        "DIGITS",
        "numbers that begin so listen to calls or pick them up: silentMonitor dials the first, no other command any "
        f"(default {' '.join(MONITORING_PREFIXES)})",
    ),
    ("--allow-origin", "ORIGIN", "a page's origin that may connect, as https://desk.example.com"),
    ("--ice-server", "URL", "a stun:, turn: or turns: server for agents' pages"),
    (
        "--token-key",
        "NAME=ALGORITHM:FILE",
        "a key that signs tokens: a secret for HS256, a public key for RS256 and EdDSA",
    ),
    ("--trusted-proxy", "ADDRESS", "a proxy, or its network, whose X-Forwarded-For is believed"),
)
FORCED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags. Their names are those of `Config`'s fields, and their values are checked there.

    A flag that is not given is absent from what is parsed, so that a file may say it.
    """
    parser.argument_default = argparse.SUPPRESS
    add = parser.add_argument
    add("--config", metavar="FILE", help="a TOML file with any of the following, as media_address = ...; flags win")
    servers = ",".join(DEFAULT_SERVERS)
    add(
        "--sip",
        metavar="URL[,URL]",
        help=f"SIP servers, ws: wss: udp: tcp: tls: or sip:, in the order in which they are tried (default {servers})",
    )
    for flag, metavar, text in TEXTS:
        value = DEFAULTS[flag[2:].replace("-", "_")]
        add(flag, metavar=metavar, help=text + (f" (default {value})" if value else ""))
    for flag, choices, text in CHOICES:
        value = DEFAULTS[flag[2:].replace("-", "_")]
        add(flag, metavar="|".join(choices), help=f"{text} (default {value})")
    add(
        "--grace",
        type=float,
        metavar="SECONDS",
        help=f"how long an agent stays logged in without a desk (default {DEFAULTS['grace']:g})",
    )
    add(
        "--drain",
        type=float,
        metavar="SECONDS",
        help="a stop waits so long for calls to end, takes no new ones, then logs out (default: it does not wait)",
    )
    add("--redirects", type=int, metavar="N", help="targets tried for a call that is answered by 3xx (default 0)")
    add("--session-expires", type=int, metavar="SECONDS", help="session timer that calls ask for (default: none)")
    add("--ring-timeout", type=float, metavar="SECONDS", help="an unanswered call is refused then (default 60)")
    add("--trust-auto-answer", action="store_true", help="obey headers that want a call answered by itself")
    add("--auto-answer-after", type=float, metavar="SECONDS", help="when campaign calls then are answered (default 3)")
    for flag, metavar, text in REPEATED:
        add(flag, metavar=metavar, action="append", help=f"{text}; may be given several times")
    add("--insecure-tls", action="store_true", help="take any certificate of a wss: server")
    add("--insecure-listen", action="store_true", help="listen beyond this machine without TLS: passwords in clear")


def run(args: argparse.Namespace) -> int:
    """Run it; 0 when it was told to end, 130 when it was forced. Raises `ConfigError`."""
    config = new_config(args)
    log_to_stderr(config.log_level, config.log_format)
    return asyncio.run(serve(config))


def new_config(args: argparse.Namespace) -> Config:
    """The configuration that the flags mean, and the file for what they leave open. Raises `ConfigError`."""
    flags: dict[str, Any] = {name: value for name, value in vars(args).items() if name in DEFAULTS}
    if "sip" in flags:
        flags["sip"] = tuple(url.strip() for url in args.sip.split(",") if url.strip())
    flags = {name: tuple(value) if isinstance(value, list) else value for name, value in flags.items()}
    path = getattr(args, "config", None)
    if path is None:
        return Config(**flags)
    try:
        return Config(**(read_file(path) | flags))
    except ConfigError as error:
        if error.field in flags or error.field not in DEFAULTS:
            raise
        raise ConfigError(f"{path}: {error.field}", error.problem, error.remedy) from None


def log_to_stderr(level: str, form: str = "text") -> None:
    """Log to the standard error: `>` sent, `<` received, `=` state. Other packages are heard from warnings on."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr, force=True)
    if form == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
    logging.getLogger("offhook").setLevel(level.upper())


async def serve(config: Config) -> int:
    """Serve until SIGINT or SIGTERM, then end as the configuration says; each further signal hastens it."""
    gateway = Gateway(config)
    await gateway.start()
    print(banner(gateway), flush=True)
    signals = Signals()
    await signals.next()
    hub, stop = gateway.station.hub, gateway.stop
    if config.drain:
        print(f"draining: {_count(hub.calls, 'call')} to end, {config.drain:g} s; once more ends them", flush=True)
        if await _unless_hastened(gateway.drain(config.drain), signals):
            print("stopped", flush=True)
            return 0
    elif config.journal:
        print(f"leaving {_count(hub.calls, 'call')} to the next process; once more stops at once", flush=True)
        stop = gateway.leave
    if stop != gateway.leave:
        print(f"stopping: {_count(hub.agents, 'agent')} to log out; once more stops at once", flush=True)
    if not await _unless_hastened(stop(), signals):
        print("stopped at once: the server was told nothing", flush=True)
        os._exit(FORCED)  # nothing that hangs may keep a forced end from being one
    print("stopped", flush=True)
    return 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


async def _unless_hastened(ending: Coroutine[Any, Any, None], signals: Signals) -> bool:
    """Whether it came to its end before another signal."""
    task = asyncio.create_task(ending, name="end of the gateway")
    hastened = asyncio.create_task(signals.next(), name="another signal")
    await asyncio.wait((task, hastened), return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        return False
    hastened.cancel()
    await task
    return True


class Signals:
    """SIGINT and SIGTERM, one after the other."""

    def __init__(self) -> None:
        self._heard = asyncio.Queue[None]()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._heard.put_nowait, None)

    async def next(self) -> None:
        """Wait for the next one."""
        await self._heard.get()


def banner(gateway: Gateway) -> str:
    """Where everything is, and what to try."""
    config = gateway.config
    audio = {
        "local": f"in this process, sends {config.source}",
        "browser": "in the agents' pages",
        "null": "none (signalling alone)",
    }[config.media]
    lines = [
        f"offhook {__version__} gateway",
        f"  desks   {gateway.url}",
        f"  health  {gateway.health_url}",
        f"  SIP     {', '.join(config.sip)}  domain {config.sip_domain}",
        f"  audio   {audio}",
    ]
    if config.journal:
        lines.append(f"  journal {config.journal}  ({_count(gateway.station.hub.agents, 'agent')} in it)")
    if config.sip_trace:
        lines.append(f"  trace   {config.sip_trace}  (draw it: offhook ladder {config.sip_trace})")
    lines += ["", *hints(gateway.url), "Ctrl-C stops."]
    return "\n".join(lines)


def hints(url: str) -> list[str]:
    """How to try a gateway from a shell."""
    return [
        f"Try it: connect a WebSocket client, as `websocat {url}`, and type",
        '  {"action":"login","parameter":{"extension":"1000","password":"1234"}}',
        '  {"action":"makeCall","parameter":{"calledNumber":"9196","Destination_Number":"9196","callType":"audio"}}',
        "No server at hand? `offhook switch` is one to develop against; `offhook demo` shows all of it.",
    ]
