"""The parts put together: `Station` is agents with transport and audio, `Gateway` is a station with HTTP in front."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, get_args
from urllib.parse import urlsplit

from aiohttp import web

from offhook import __version__
from offhook.config import Config, is_loopback, parse_network
from offhook.cti import codec
from offhook.cti.events import ToDesk
from offhook.cti.stream import Audit
from offhook.driver import Driver, SystemIds
from offhook.errors import ConfigError
from offhook.gateway import static
from offhook.gateway.addresses import client_address
from offhook.gateway.auth import new_keys, static_password
from offhook.gateway.connection import Connection, new_socket
from offhook.gateway.desks import masked
from offhook.gateway.files import AuditFile, TraceFile
from offhook.gateway.front import Front, Runner
from offhook.gateway.ice import IceSettings
from offhook.gateway.interface import (
    PROGRAM,
    CloseConnection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    Drain,
    HubInput,
    HubSettings,
    Leave,
    Limits,
    Restore,
    Stop,
    Stopped,
    Superseded,
    Tell,
    TellPage,
)
from offhook.gateway.metrics import Metrics, Tally
from offhook.gateway.rest import Rest, bearer
from offhook.gateway.sessions import Hub
from offhook.journal.writer import Journal
from offhook.media.engine import EngineRequest, MediaEngine
from offhook.media.null import NullEngine
from offhook.sip.flow import FlowOutput
from offhook.transport.clients import ClientTransport

logger = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
"""An HTTP connection without a whole request for this long is closed."""
LEAVE_SECONDS = 1.0
"""For the answers to the ends of calls that another process could not take over."""
LOGOUT_SECONDS = 3.5
"""For ending calls and un-registering when a station stops; what is not done by then is left to the server."""


class Subscriber(Protocol):
    """Who hears what a station tells a connection. Neither method may raise or wait."""

    def tell(self, message: ToDesk, text: str) -> None:
        """A message, and the same as JSON text."""
        ...

    def close(self, code: int, reason: str) -> None:
        """The station ends the connection; answer by `Station.disconnect`."""
        ...


class Station:
    """Agents on this machine: the hub on its driver, with transport and media engine. Used on one loop.

    `engine` is used in place of the configuration's. Raises `ConfigError` where a part cannot be made from that.
    """

    def __init__(self, config: Config, limits: Limits | None = None, engine: MediaEngine | None = None) -> None:
        self.config = config
        self.tally = Tally()
        self.keys = new_keys(config)
        """That sign tokens; None: there are none."""
        settings = HubSettings(
            agent=config.agent_settings(),
            limits=limits or Limits(),
            audio_with_page=config.media == "browser",
            ice=IceSettings(config.ice_server, config.turn_secret, config.ice_policy),
            grace=config.grace,
            after_grace=config.after_grace,
            check_token=None if self.keys is None else self.keys.check,
            static_password=static_password(config),
            owner=SystemIds().token(64) if config.journal else "",
        )
        self.hub = Hub(settings, ids=SystemIds())
        self._engine = engine or new_engine(config)
        self._transport = ClientTransport(
            self.put, insecure_tls=config.insecure_tls, ca_file=config.ca_file or None, trace=self._traced
        )
        # Last of those that may refuse the configuration: they alone have something to close.
        with contextlib.ExitStack() as files:
            self._trace = TraceFile(config.sip_trace) if config.sip_trace else None
            if self._trace is not None:
                files.callback(self._trace.close)
            self._audit = AuditFile(config.audit_log) if config.audit_log else None
            if self._audit is not None:
                files.callback(self._audit.close)
            self.journal = Journal(config.journal) if config.journal else None
            self._files = files.pop_all()
        self._driver = Driver(self.hub, self._ports(), journal=self.journal)
        self._subscribers: dict[str, Subscriber] = {}
        self._serial = 0
        self._stopped = asyncio.Event()

    def _ports(self) -> dict[type, Callable[..., None]]:
        return {
            **dict.fromkeys(get_args(FlowOutput), self._transport.perform),
            **dict.fromkeys(get_args(EngineRequest), self._engine.perform),
            Tell: self._tell,
            TellPage: self._tell_page,
            Audit: self._audited,
            CloseConnection: self._close_connection,
            Stopped: lambda _: self._stopped.set(),
        }

    async def start(self) -> None:
        self._engine.start(self.put)
        if self.journal is not None:
            self.journal.start(lambda extension: self.put(Superseded(extension)))
            found = self.journal.take()
            self.put(Restore(tuple(found.agents), tuple(found.calls)))
        self._driver.start()

    async def stop(self) -> None:
        """Log all agents out, end their calls, free everything. Takes `LOGOUT_SECONDS` and a little at most."""
        self.put(Stop())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), LOGOUT_SECONDS)
        await self.cut()

    async def drain(self, seconds: float) -> None:
        """Take no new call, and wait for those that there are to end, so long at most; then as `stop`."""
        self.put(Drain())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        await self.stop()

    async def leave(self) -> None:
        """Free everything; the server keeps the calls, and the next process on this journal goes on with them."""
        self.put(Leave())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), LEAVE_SECONDS)
        # First, so that no loss of what is closed from here on is told or kept.
        await self._driver.stop()
        await self.cut()

    async def cut(self) -> None:
        """Free everything at once; the server is told nothing."""
        for subscriber in list(self._subscribers.values()):
            subscriber.close(1001, "the gateway is stopped")
        await self._transport.close()
        await self._driver.stop()
        if self.journal is not None:
            await self.journal.close()
        await self._engine.close()
        self._files.close()

    def put(self, given: HubInput) -> None:
        """Give the hub an input."""
        self._driver.put(given)

    def connect(self, subscriber: Subscriber, *, trusted: bool = False, address: str = "", token: str = "") -> str:
        """A new connection, from that address, with that token; gives its name."""
        self._serial += 1
        self.tally.opened += 1
        name = f"c{self._serial}"
        self._subscribers[name] = subscriber
        self.put(ConnectionOpened(name, trusted, address, token))
        return name

    def serve_program(self, subscriber: Subscriber) -> None:
        """Who hears the outcomes of `Instruct`."""
        self._subscribers[PROGRAM] = subscriber

    def disconnect(self, name: str) -> None:
        if self._subscribers.pop(name, None) is not None:
            self.put(ConnectionClosed(name))

    def health(self) -> dict[str, str | int]:
        """What `/healthz` tells; `status` is degraded where the journal is not written in time."""
        kept: dict[str, str | int] = {}
        if self.journal is not None:
            kept["journal"] = self.journal.state
            if self.journal.trouble:
                kept["reason"] = self.journal.trouble
        return kept | {
            "status": "ok" if kept.get("journal", "ok") == "ok" else "degraded",
            "agents": self.hub.agents,
            "calls": self.hub.calls,
            "connections": self.hub.connections,
            "version": __version__,
        }

    def snapshot(self, extension: str) -> dict[str, Any] | None:
        """An agent as a value, see `Hub.snapshot`."""
        return self.hub.snapshot(extension, self._driver.clock())

    def _tell(self, output: Tell) -> None:
        text = codec.encode(output.message)
        self.tally.told(output.message, len(output.connections))
        for name in output.connections:
            logger.debug("> %s %s", name, output.message.name)
            if (subscriber := self._subscribers.get(name)) is not None:
                subscriber.tell(output.message, text)

    def _tell_page(self, output: TellPage) -> None:
        if isinstance(subscriber := self._subscribers.get(output.connection), _Desk):
            subscriber.tell_page(output.text)

    def _audited(self, audit: Audit) -> None:
        logger.info("= %s: %s by %s of %s", audit.action, audit.outcome, masked(audit.extension), masked(audit.target))
        if self._audit is not None:
            self._audit.write(audit)

    def _close_connection(self, output: CloseConnection) -> None:
        self.tally.closed[str(output.code)] += 1
        if (subscriber := self._subscribers.get(output.connection)) is not None:
            subscriber.close(output.code, output.reason)

    def _traced(self, flow: str, sent: bool, data: bytes) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s %s SIP %s", ">" if sent else "<", flow, first_words(data))
        if self._trace is not None:
            self._trace.write(self.hub.extension_of(flow) or flow, sent, data)


def first_words(data: bytes) -> str:
    """What a log may show of a SIP message: method, or status and phrase; no address."""
    line = data.lstrip(b"\r\n").split(b"\r\n", 1)[0][:200].decode("utf-8", "replace")
    first, _, rest = line.partition(" ")
    return rest if first.startswith("SIP/") else first


def new_engine(config: Config) -> MediaEngine:
    """The media engine of the configuration. Raises `ConfigError` where its packages, or its address, are missing."""
    if config.media in ("browser", "null"):  # what is asked of pages, the hub asks itself
        return NullEngine()
    if config.media_address:
        check_own_address(config.media_address)
    try:
        from offhook.media.local import LocalEngine  # its packages are an extra
    except ImportError as error:
        remedy = "Install them with `pip install 'offhook[media]'`, or give null for calls without audio"
        raise ConfigError("media", f"local audio needs a package that is missing ({error.name})", remedy) from None
    return LocalEngine(address=config.audio_address, default_source=config.audio_source)


def check_own_address(address: str) -> None:
    """Say it at the start, not at the first call, when audio cannot be received there. Raises `ConfigError`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        problem = f"{address} is no address of this machine"
        raise ConfigError("media_address", problem, "Give 127.0.0.1 or one of its own") from None


class Gateway:
    """A station that desks reach by HTTP: `GET /healthz`, and the contract on the WebSocket `/cti`."""

    def __init__(self, config: Config, limits: Limits | None = None, engine: MediaEngine | None = None) -> None:
        self.config = config
        self._limits = limits or Limits()
        self.station = Station(config, self._limits, engine)
        self._proxies = [parse_network(text) for text in config.trusted_proxy]
        self.port = config.port
        """The port it listens on, once started."""
        self._origins = {origin.lower() for origin in config.allow_origin}
        app = web.Application()
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/cti", self._cti)
        self.rest = Rest(self.station)
        self.rest.add_routes(app.router)
        app.router.add_get("/metrics", Metrics(self.station, self.rest).serve)
        Front(self._limits, self._address, self.station.tally.requests).wrap(app)
        pages = static.Pages(static.WEB, frames=config.allow_origin, secure=bool(config.tls_certificate))
        app.router.add_get("/{path:.*}", pages.serve)
        self._runner = Runner(
            app, access_log=None, shutdown_timeout=0.5, keepalive_timeout=IDLE_SECONDS, lingering_time=2.0
        )

    @property
    def url(self) -> str:
        """Where desks connect."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"{'wss' if self.config.tls_certificate else 'ws'}://{host}:{self.port}/cti"

    @property
    def health_url(self) -> str:
        return self.url.replace("ws", "http", 1).removesuffix("/cti") + "/healthz"

    async def start(self) -> None:
        """Listen. Raises `ConfigError` where the address or the certificate cannot be used."""
        await self.station.start()
        try:
            tls = server_tls(self.config) if self.config.tls_certificate else None
            await self._runner.setup()
            await web.TCPSite(self._runner, self.config.host, self.config.port, ssl_context=tls).start()
        except OSError as error:
            await self.cut()
            raise listen_error(self.config.listen, error) from None
        except ConfigError:
            await self.cut()
            raise
        self.port = self._runner.addresses[0][1]
        self._add_own_origins()

    async def stop(self) -> None:
        """End calls and log agents out, then close; within 5 s."""
        for site in list(self._runner.sites):
            await site.stop()
        await self.station.stop()
        await self._runner.cleanup()

    async def drain(self, seconds: float) -> None:
        """Take no new agent and no new call, wait so long for calls to end, then as `stop`. Desks may come back."""
        await self.station.drain(seconds)
        await self.stop()

    async def leave(self) -> None:
        """Close; agents and calls stay as they are, for the next process on this journal."""
        for site in list(self._runner.sites):
            await site.stop()
        await self.station.leave()
        await self._runner.cleanup()

    async def cut(self) -> None:
        """Close everything at once."""
        await self.station.cut()
        await self._runner.cleanup()

    def _add_own_origins(self) -> None:
        """Pages that this gateway serves itself are at home under its own address, and no other name.

        The Host header is no proof: a page of evil.example can have that name lead to 127.0.0.1.
        """
        scheme = "https" if self.config.tls_certificate else "http"
        names = {urlsplit(self.url).netloc}
        if is_loopback(self.config.host):
            names |= {f"{name}:{self.port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        self._origins |= {f"{scheme}://{name}" for name in names}

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response(self.station.health())

    def _address(self, request: web.Request) -> str:
        """Where a request comes from, as it is counted."""
        lines = request.headers.getall("X-Forwarded-For", [])  # a proxy may add a line of its own to the client's
        return client_address(request.remote or "", ",".join(lines), self._proxies)

    async def _cti(self, request: web.Request) -> web.StreamResponse:
        # A browser always sends Origin with a WebSocket; programs do not, and prove a password anyway.
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in self._origins:
            logger.warning("= a page of a foreign origin was refused; --allow-origin would let it in")
            raise web.HTTPForbidden(text="This origin may not connect; --allow-origin names those that may.\n")
        # The hub refuses what is too large with a sentence; this bound only keeps it from filling the memory.
        websocket = new_socket(2 * self._limits.message_bytes)
        if not websocket.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(text="This is a WebSocket: connect to it with ws:// or wss://.\n")
        await websocket.prepare(request)
        transport = request.transport
        connection = Connection(websocket, transport.abort if transport is not None else lambda: None)
        station = self.station
        subscriber = _Desk(connection)
        name = station.connect(subscriber, address=self._address(request), token=bearer(request))
        logger.info("= %s connected", name)
        try:
            await connection.run(lambda text: station.put(ConnectionReceived(name, text)))
        finally:
            station.disconnect(name)
            logger.info("= %s is gone", name)
        return websocket


class _Desk:
    """A WebSocket as a station sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, message: ToDesk, text: str) -> None:
        self._connection.tell(text)

    def tell_page(self, text: str) -> None:
        """About the audio that the page holds."""
        self._connection.tell(text)

    def close(self, code: int, reason: str) -> None:
        self._connection.close(code, reason)


@contextlib.asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    """Start a gateway, and stop it at the end."""
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def server_tls(config: Config) -> ssl.SSLContext:
    """The context of a TLS listener. Raises `ConfigError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        problem = f"{config.tls_certificate!r} and its key cannot be used ({reason})"
        raise ConfigError("tls_certificate", problem, "Give a certificate and its key, both in PEM files") from None
    return context


def listen_error(listen: str, error: OSError) -> ConfigError:
    """What a failed bind means, and what may be done."""
    if error.errno == errno.EADDRINUSE:
        return ConfigError("listen", f"{listen} is in use by another program", "Stop it, or give another port, as :0")
    if error.errno == errno.EACCES:
        return ConfigError("listen", f"{listen} is not allowed to this user", "Give a port from 1024 up")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError("listen", f"{listen} is no address of this machine", "Give 127.0.0.1 or one of its own")
    return ConfigError("listen", f"cannot listen on {listen} ({error.strerror or error})", "Give another HOST:PORT")
