"""The development switch with sockets and audio: the only file of the switch that touches driver, transport and engine.

switch = Switch(SwitchConfig(ws_port=0))
await switch.start()
...                     # clients register at switch.ws_url, or at switch.udp_url where there is a udp_port
await switch.stop()
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from offhook.driver import Driver, SystemIds
from offhook.errors import ConfigError, StateError
from offhook.media.engine import EngineRequest, MediaEngine
from offhook.media.null import NullEngine
from offhook.sip.flow import FlowOutput
from offhook.switch.core import ChannelView, Control, Deflect, HangUp, Hold, Originate, SwitchNode
from offhook.switch.directory import Directory, Queue
from offhook.switch.exchange import ChannelEnded, IvrDigits
from offhook.switch.wording import SwitchSettings
from offhook.transport.base import Trace
from offhook.transport.stream import StreamListener
from offhook.transport.udp import UdpListener
from offhook.transport.websocket_server import SelfSigned, WebSocketListener, self_signed

logger = logging.getLogger(__name__)

KEPT_DIGITS = 1000
"""So many entries of the menu are kept for tests to look at."""

WILDCARDS = ("", "0.0.0.0", "::", "[::]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchConfig:
    """How to run a switch. Port 0: the system chooses; None: not at all.

    `domain` is what it calls itself, by default `host`. `media_address` is where its media is reachable, by default the
    same. `trace` is a tap for every SIP message.
    """

    host: str = "127.0.0.1"
    ws_port: int | None = 5066
    wss_port: int | None = None
    udp_port: int | None = None
    tcp_port: int | None = None
    domain: str | None = None
    media: Literal["local", "null"] = "local"
    media_address: str | None = None
    users: Directory = field(default_factory=Directory.sample)
    queues: tuple[Queue, ...] | None = None
    """In place of those of `users`."""
    imitate: Literal["freeswitch", "efcx"] = "freeswitch"
    """`efcx`: what agents ask for by key codes and are told by MESSAGE, in place of words; our own imitation."""
    open_eavesdrop: bool = False
    """779 and 88xxxx let everybody listen to everybody, as on the recorded FreeSWITCH."""
    confirm_blind_transfer: bool = True
    """Who transfers a call blind is told what comes of it, as conf/freeswitch has it, and early media of the target is
    no outcome. Else it is told 200 at once, as FreeSWITCH does by itself."""
    trace: Trace | None = None


class Switch:
    """A running development switch."""

    def __init__(self, config: SwitchConfig | None = None) -> None:
        """Raises ConfigError for a configuration that cannot work."""
        self._config = config or SwitchConfig()
        config = self._config
        if all(port is None for port in (config.ws_port, config.wss_port, config.udp_port, config.tcp_port)):
            raise ConfigError("ws_port", "nothing to listen on", "Give ws_port, wss_port, udp_port or tcp_port")
        self._host = "127.0.0.1" if self._config.host in WILDCARDS else self._config.host
        domain = self._config.domain or self._host
        settings = SwitchSettings(
            domain=domain,
            sip_address=f"{domain}:5060",
            server=config.imitate,
            confirm_blind_transfer=config.confirm_blind_transfer,
            ignore_early_media=config.confirm_blind_transfer,
            server_half=config.imitate == "freeswitch",
            open_eavesdrop=config.open_eavesdrop,
            video=config.media == "local" and _has_video(),
        )
        users = config.users if config.queues is None else config.users.with_queues(config.queues)
        self.node = SwitchNode(settings, users, ids=SystemIds())
        self.ivr_digits: list[IvrDigits] = []
        """What the menu of 5000 has collected, the newest last."""
        self.certificate: SelfSigned | None = None
        """What clients over wss have to trust; made by `start`."""
        self.ws_url = ""
        self.wss_url: str | None = None
        self.udp_url: str | None = None
        self.tcp_url: str | None = None
        self._listeners: list[WebSocketListener | UdpListener | StreamListener] = []
        self._engine: MediaEngine | None = None
        self._driver: Driver | None = None

    async def start(self) -> None:
        """Listen. Raises OSError where an address is taken, ConfigError where a needed package is missing."""
        engine = self._engine = self._make_engine()
        driver = self._driver = Driver(self.node, self._ports(engine))
        engine.start(driver.put)
        driver.start()
        try:
            config = self._config
            if config.ws_port is not None:
                self.ws_url = f"ws://{self._host}:{await self._listen(driver, config.ws_port)}"
            if config.wss_port is not None:
                self.certificate = self_signed()
                self.wss_url = f"wss://{self._host}:{await self._listen(driver, config.wss_port, self.certificate)}"
            if config.udp_port is not None:
                # FreeSWITCH has no STUN on its SIP port.
                udp = UdpListener(config.host, config.udp_port, driver.put, stun=False, trace=config.trace)
                self.udp_url = f"udp:{self._host}:{await self._start(udp)}"
            if config.tcp_port is not None:
                tcp = StreamListener(config.host, config.tcp_port, driver.put, trace=config.trace)
                self.tcp_url = f"tcp:{self._host}:{await self._start(tcp)}"
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close every connection and end all media; nothing is left behind."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            await listener.close()
        if self._driver is not None:
            await self._driver.stop()
            self._driver = None
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    def channels(self) -> tuple[ChannelView, ...]:
        """The live call legs."""
        return self.node.channels()

    def registered(self, user: str) -> bool:
        """Whether that user is registered."""
        return self.node.registered(user)

    def hang_up(self, user: str) -> None:
        """End every call of that user."""
        self._put(HangUp(user))

    def hold(self, user: str, on: bool = True) -> None:
        """Hold the calls of that user from the server, or retrieve them."""
        self._put(Hold(user, on))

    def originate(self, user: str, headers: Mapping[str, str] | None = None, number: str = "9196") -> None:
        """Call a user, with these headers in the INVITE; when it answers it is connected to `number`.

        Raises StateError when the user is not registered.
        """
        if not self.registered(user):
            raise StateError(f"{user} is not registered")
        self._put(Originate(user, tuple((headers or {}).items()), number=number))

    def deflect(self, user: str, number: str) -> None:
        """Ask the clients of that user's calls to call `number` in our place: REFER to them."""
        self._put(Deflect(user, number))

    def _put(self, control: Control) -> None:
        if self._driver is None:
            raise StateError("the switch is not running")
        self._driver.put(control)

    async def _listen(self, driver: Driver, port: int, certificate: SelfSigned | None = None) -> int:
        listener = WebSocketListener(
            self._config.host,
            port,
            driver.put,
            ssl=None if certificate is None else certificate.context,
            trace=self._config.trace,
        )
        return await self._start(listener)

    async def _start(self, listener: WebSocketListener | UdpListener | StreamListener) -> int:
        self._listeners.append(listener)
        return await listener.start()

    def _make_engine(self) -> MediaEngine:
        if self._config.media == "null":
            return NullEngine(flavour="freeswitch")
        try:
            from offhook.media.local import LocalEngine
        except ImportError as error:
            remedy = "Install offhook[media], or do without audio (media null)"
            raise ConfigError("media", f"{error.name} is missing", remedy) from None
        return LocalEngine(address=self._config.media_address or self._host, flavour="freeswitch")

    def _ports(self, engine: MediaEngine) -> dict[type, Any]:
        ports: dict[type, Any] = {kind: self._to_flow for kind in get_args(FlowOutput)}
        ports |= {kind: engine.perform for kind in get_args(EngineRequest)}
        ports |= {IvrDigits: self._digits, ChannelEnded: self._ended}
        return ports

    def _to_flow(self, output: FlowOutput) -> None:
        for listener in self._listeners:
            listener.perform(output)

    def _digits(self, event: IvrDigits) -> None:
        logger.info("IVR-DIGITS uuid=%s: %d digits", event.uuid, len(event.digits))
        self.ivr_digits.append(event)
        del self.ivr_digits[:-KEPT_DIGITS]

    def _ended(self, event: ChannelEnded) -> None:
        logger.info("channel %s ended: %s", event.uuid, event.cause.name)


def _has_video() -> bool:
    """Whether this machine's PyAV has VP8; without `offhook[media]` it is `start` that says so."""
    try:
        from offhook.media.video_codec import available
    except ImportError:
        return False
    return available()
