"""`offhook switch`: run the development switch until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from offhook.errors import ConfigError
from offhook.sip.tracing import TracedMessage, format_traced
from offhook.switch.directory import SAMPLE_PASSWORD, Directory
from offhook.switch.server import WILDCARDS, Switch, SwitchConfig

LEVELS = ("debug", "info", "warning", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:5066", help="where ws: listens (default %(default)s)"
    )
    parser.add_argument(
        "--wss-listen", metavar="HOST:PORT", help="where wss: listens, with a certificate made just now"
    )
    parser.add_argument("--udp-listen", metavar="HOST:PORT", help="where SIP over UDP is listened for (default: not)")
    parser.add_argument("--tcp-listen", metavar="HOST:PORT", help="where SIP over TCP is listened for (default: not)")
    parser.add_argument("--users", metavar="FILE.toml", type=Path, help="default: 1000 to 1019, password 1234")
    parser.add_argument("--domain", help="what the switch calls itself (default: the host it listens on)")
    parser.add_argument(
        "--imitate",
        choices=("freeswitch", "efcx"),
        default="freeswitch",
        help="whose way of conferences and monitoring; efcx is our own imitation (default %(default)s)",
    )
    parser.add_argument(
        "--stock-transfers",
        action="store_true",
        help="tell who transfers a call blind 200 at once and hang up, as FreeSWITCH does without "
        "confirm-blind-transfer (default: tell what comes of it, and give the call back if the target does not answer)",
    )
    parser.add_argument("--media", choices=("local", "null"), default="local", help="real audio, or none at all")
    parser.add_argument("--media-address", metavar="HOST", help="where its audio is reachable (default: as --listen)")
    parser.add_argument("--sip-trace", metavar="FILE", type=Path, help="write every SIP message there, secrets masked")
    parser.add_argument("--log-level", choices=LEVELS, default="info")


def run(args: argparse.Namespace) -> int:
    """Run it; 0 when it was told to end, 2 for a wrong configuration, 1 when it cannot listen."""
    logging.basicConfig(
        level=args.log_level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr, force=True
    )
    try:
        with contextlib.ExitStack() as stack:
            asyncio.run(_serve(_config(args, stack)))
    except ConfigError as error:
        print(f"offhook switch: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        remedy = ""
        if error.errno == errno.EADDRINUSE:
            remedy = ". Another program listens there: stop it, or give another port, as 127.0.0.1:0"
        print(f"offhook switch: {error}{remedy}", file=sys.stderr)
        return 1
    return 0


def _config(args: argparse.Namespace, stack: contextlib.ExitStack) -> SwitchConfig:
    host, port = _address("--listen", args.listen)
    more = {name: _port(name, getattr(args, name), host) for name in ("wss_listen", "udp_listen", "tcp_listen")}
    if args.users is None:
        users = Directory.sample()
        if not _is_loopback(host):
            logging.getLogger(__name__).warning(
                "everybody who reaches %s can call with the public password %s: give --users FILE.toml",
                args.listen,
                SAMPLE_PASSWORD,
            )
    else:
        users = Directory.parse(args.users.read_text(encoding="utf-8"))
    trace = None
    if args.sip_trace is not None:
        trace = stack.enter_context(SipTrace(args.sip_trace))
    return SwitchConfig(
        host=host,
        ws_port=port,
        wss_port=more["wss_listen"],
        udp_port=more["udp_listen"],
        tcp_port=more["tcp_listen"],
        domain=args.domain,
        media=args.media,
        media_address=args.media_address,
        users=users,
        imitate=args.imitate,
        confirm_blind_transfer=not args.stock_transfers,
        trace=trace,
    )


def _port(name: str, text: str | None, host: str) -> int | None:
    """The port of another listener, which is to be on the same host."""
    if text is None:
        return None
    flag = f"--{name.replace('_', '-')}"
    found, port = _address(flag, text)
    if found != host:
        raise ConfigError(flag, "is on another host than --listen", f"Say {host}:{port}")
    return port


def _address(flag: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(flag, f"{text!r} is no HOST:PORT", "For example 127.0.0.1:5066")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    if host in WILDCARDS:
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class SipTrace:
    """Writes every message to a file in the format of `offhook.sip.tracing`, secrets masked; a context manager."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)  # numbers and call variables are in it
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape")

    def __enter__(self) -> SipTrace:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __call__(self, flow: str, sent: bool, data: bytes) -> None:
        at = datetime.now(UTC).strftime("%H:%M:%S.%f")[:12]
        self._file.write(format_traced(TracedMessage(at, flow, not sent, data)) + "\n")
        self._file.flush()


async def _serve(config: SwitchConfig) -> None:
    switch = Switch(config)
    await switch.start()
    try:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        urls = " and ".join(url for url in (switch.ws_url, switch.wss_url, switch.udp_url, switch.tcp_url) if url)
        print(f"offhook switch listens on {urls}", flush=True)
        await ended.wait()
    finally:
        await switch.stop()
