"""Offhook for Python programs: agents, calls and audio in this process, without a gateway between.

    async with Phone("ws://127.0.0.1:5066") as phone:
        agent = await phone.login("1000", "1234")
        call = await agent.dial("9196", source="tone:440")
        await call.answered()
        await call.release()

Every command goes the way a desk's goes, through the contract and the same hub, so that the two can never differ.
`Phone.post` takes the contract as it is, with Python callables as `clientCallbackFunction`. All belongs to one loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from offhook.config import DEFAULT_SERVERS, Config, parse_source
from offhook.cti.errors import CODES
from offhook.cti.events import (
    AgentInfo,
    AgentState,
    Audio,
    CallStats,
    CommandResult,
    Dialog,
    DialogMessage,
    Dtmf,
    Error,
    OutboundDialing,
    ToDesk,
    XmppEvent,
)
from offhook.errors import CallEnded, CommandFailed, ConfigError, LoginRefused, StateError
from offhook.gateway.app import Station
from offhook.gateway.sessions import ConnectionReceived, UseAudio
from offhook.media.engine import (
    AudioStats,
    Echo,
    Frames,
    FrameSink,
    FromPeer,
    NoSink,
    Silence,
    Sink,
    Source,
    Tone,
    WavFile,
    WavSink,
)

if TYPE_CHECKING:
    from offhook.media.engine import Frame

    AudioIn = Source | str | Callable[[int], Frame | None] | AsyncIterator[Frame]
    AudioOut = Sink | str | Callable[[Frame], None]

    Callback = Callable[[dict[str, Any]], Awaitable[None] | None]

logger = logging.getLogger(__name__)

MAX_FEED = 10_000
"""Events that may wait for a program that iterates slowly; then its iteration fails."""

CALLBACK_SECONDS = 1.0
"""For the last callbacks of a phone that is closed."""

Item = TypeVar("Item")


def as_source(given: AudioIn) -> Source:
    """A source from what a program may give: a `Source`, a text as `--source` takes it, a callable from the number of a
    20 ms frame to its samples at 16 kHz (None: silence), or an async iterator of frames. Raises `ConfigError`."""
    if isinstance(given, str):
        return parse_source(given)
    if isinstance(given, Silence | Tone | WavFile | Frames | Echo | FromPeer):
        return given
    if inspect.isasyncgenfunction(given):
        raise ConfigError("source", "an async generator function is no source", "Call it, and give what it returns")
    if not callable(given) and not isinstance(given, AsyncIterator):
        remedy = "Give a text as tone:440, a Source, a function from a frame's number, or an async iterator of frames"
        raise ConfigError("source", f"{type(given).__name__} is no source", remedy)
    return Frames(given)


def as_sink(given: AudioOut) -> Sink:
    """A sink from what a program may give: a `Sink`, a WAV file's path, or a callable that gets each 20 ms frame.

    Raises `ConfigError`.
    """
    if isinstance(given, str):
        folder = os.path.dirname(given) or "."
        if not given or os.path.isdir(given) or not os.access(folder, os.W_OK):
            raise ConfigError("sink", f"{given!r} cannot be written", "Give the path of a WAV file")
        return WavSink(given)
    if isinstance(given, NoSink | WavSink | FrameSink):
        return given
    if not callable(given) or inspect.iscoroutinefunction(given):
        problem = f"{type(given).__name__} is no sink" if not callable(given) else "a coroutine function is no sink"
        raise ConfigError("sink", problem, "Give a WAV file's path, a Sink, or a function that takes a frame")
    return FrameSink(given)


class Feed(Generic[Item]):
    """What happens from now on, for `async for`; it ends with the agent's logout.

    Nothing is lost between two rounds. A program that lets 10,000 items pile up gets `StateError`.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._ended = False
        self._overflown = False

    def put(self, item: Item) -> None:
        if len(self._items) >= MAX_FEED:
            self._overflown = True
            self._items.clear()
        if not self._overflown:
            self._items.append(item)
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def __aiter__(self) -> Feed[Item]:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._overflown:
                raise StateError(f"more than {MAX_FEED} items waited: iterate faster")
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()


class Call:
    """One call of an agent. Its commands raise `CommandFailed` where they do not come about."""

    def __init__(self, agent: Agent, dialog: Dialog, direction: Literal["in", "out"]) -> None:
        self.direction = direction
        self.dialog = dialog
        """The contract's record of the call, as last told."""
        self._agent = agent
        self._changed = asyncio.Event()
        self._error: tuple[str, str] | None = None
        self._lost: str | None = None

    def __repr__(self) -> str:
        return f"<Call {self.direction} {self.state}>"

    @property
    def id(self) -> str:
        return self.dialog.id

    @property
    def state(self) -> str:
        """INITIATING, INITIATED, ALERTING, ACTIVE, HELD or DROPPED."""
        return self.dialog.state

    @property
    def number(self) -> str:
        """The other party."""
        return self.dialog.customerNumber

    @property
    def muted(self) -> bool:
        return self.dialog.participants[0].mute

    async def answered(self, timeout: float | None = None) -> Call:
        """Wait until the call is up. Raises `CallEnded` where it ends before, TimeoutError after `timeout` seconds."""
        await self._until("ACTIVE", "HELD", "DROPPED", timeout=timeout)
        if self.state == "DROPPED":
            code, detail = self._error or (self.dialog.callEndReason or "call-ended", "The call is over.")
            raise CallEnded("the call ended", code, detail)
        return self

    async def ended(self, timeout: float | None = None) -> str | None:
        """Wait until the call is over; its end reason as the contract has it. Raises TimeoutError."""
        await self._until("DROPPED", timeout=timeout)
        return self.dialog.callEndReason

    async def answer(self, *, source: AudioIn | None = None, sink: AudioOut | None = None) -> None:
        """Take an inbound call; with what it sends and where what it hears goes."""
        self.use(source=source, sink=sink)
        await self._command("answerCall")

    async def reject(self) -> None:
        """Refuse an inbound call (603)."""
        await self._command("rejectCall")

    async def release(self) -> None:
        """Hang up, give up, or turn away, as the state of the call has it. A call that is over is no error."""
        if self.state != "DROPPED":
            await self._command("releaseCall")

    async def hold(self) -> None:
        await self._command("holdCall")

    async def retrieve(self) -> None:
        await self._command("retrieveCall")

    async def mute(self) -> None:
        await self._command("mute_call")

    async def unmute(self) -> None:
        await self._command("unmute_call")

    async def send_digits(self, digits: str) -> None:
        """Send digits (0-9 A-D * #); done when the last one is taken or sent."""
        await self._command("SendDtmf", message=digits)

    async def stats(self) -> AudioStats:
        """The call's audio, both ways; None where a value was not measured."""
        result = (await self._command("getStats")).result
        audio = msgspec.convert(msgspec.to_builtins(result)["audio"], Audio)
        return AudioStats(
            codec=audio.codec,
            packets_sent=audio.packetsSent,
            packets_received=audio.packetsReceived,
            packets_lost=audio.packetsLost,
            jitter_ms=audio.jitterMs,
            round_trip_ms=audio.roundTripMs,
            mos=audio.mos,
            level_in_db=audio.levelInDb,
            level_out_db=audio.levelOutDb,
        )

    def use(self, *, source: AudioIn | None = None, sink: AudioOut | None = None) -> None:
        """Change what the call sends, or where what it hears goes; None leaves it. Raises `ConfigError`."""
        if source is not None or sink is not None:
            self._agent.use_audio(
                self.id, None if source is None else as_source(source), None if sink is None else as_sink(sink)
            )

    def update(self, dialog: Dialog) -> None:
        """The agent heard news of this call."""
        self.dialog = dialog
        self._changed.set()
        self._changed = asyncio.Event()

    def fail(self, code: str, detail: str) -> None:
        """The agent heard why the call ended."""
        self._error = (code, detail)

    def lose(self, reason: str) -> None:
        """Nothing more will be heard of this call: who waits for something gets `CallEnded`."""
        self._lost = reason
        self._changed.set()

    async def _until(self, *states: str, timeout: float | None) -> None:
        async with asyncio.timeout(timeout):
            while self.state not in states:
                if self._lost is not None:
                    raise CallEnded("the call is not heard of any more", "call-ended", self._lost)
                await self._changed.wait()

    async def _command(self, action: str, **parameter: str) -> CommandResult:
        return await self._agent.command(action, dialogId=self.id, **parameter)


class Agent:
    """An agent that is logged in: its calls, and what happens to it. From `Phone.login`."""

    def __init__(self, station: Station, extension: str) -> None:
        self.extension = extension
        self.calls: dict[str, Call] = {}
        """Live calls by their id."""
        self.registered = False
        """Whether the server can be reached and knows the agent."""
        self._station = station
        self._connection = station.connect(self, trusted=True)
        self._serial = 0
        self._gone: str | None = None
        """Why nothing can come of commands any more."""
        self._results: dict[str, asyncio.Future[CommandResult]] = {}
        self._details: dict[str, str] = {}
        self._dialing = asyncio.Lock()
        self._dialled: tuple[asyncio.Future[Call], Source | None, Sink | None] | None = None
        self._feeds: weakref.WeakSet[Feed[ToDesk]] = weakref.WeakSet()
        self._incoming: weakref.WeakSet[Feed[Call]] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"<Agent, {len(self.calls)} calls>"

    async def dial(
        self,
        number: str,
        *,
        source: AudioIn | None = None,
        sink: AudioOut | None = None,
        destination: str | None = None,
    ) -> Call:
        """Call a number; the call is given as soon as it leaves, `Call.answered` waits for the rest.

        `destination` is the contract's `Destination_Number`, the number itself by default. Raises `CommandFailed`.
        """
        audio = None if source is None else as_source(source), None if sink is None else as_sink(sink)
        async with self._dialing:
            dialled: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
            self._dialled = (dialled, *audio)
            parameter = {"calledNumber": number, "Destination_Number": destination or number, "callType": "audio"}
            outcome = asyncio.ensure_future(self.command("makeCall", **parameter))
            try:
                await asyncio.wait((dialled, outcome), return_when=asyncio.FIRST_COMPLETED)
                if not dialled.done():
                    await outcome  # raises: nothing was dialled
                    raise StateError("the call was taken, but its beginning was not told")
            except asyncio.CancelledError:
                outcome.add_done_callback(self._give_up)
                raise
            finally:
                self._dialled = None
                outcome.add_done_callback(_look_at)
            return dialled.result()

    def incoming(self) -> Feed[Call]:
        """Calls that come in, for `async for`; those that ring already come first."""
        feed: Feed[Call] = Feed()
        for call in self.calls.values():
            if call.state == "ALERTING":
                feed.put(call)
        self._incoming.add(feed)
        return feed

    def events(self) -> Feed[ToDesk]:
        """The contract's events from now on, as `offhook.cti.events` types them, for `async for`."""
        feed: Feed[ToDesk] = Feed()
        self._feeds.add(feed)
        return feed

    def snapshot(self) -> dict[str, Any]:
        """The agent and its calls as JSON-able values, with which another process can go on.

        Treat it as a secret: who has it can take the calls over. Raises `StateError` after logout.
        """
        snapshot = self._station.snapshot(self.extension)
        if snapshot is None:
            raise StateError("the agent is logged out")
        return snapshot

    async def logout(self) -> None:
        """End the agent's calls and log out. An agent that is logged out is no error."""
        if self._gone is None:
            await self.command("logout")
            self.leave("the agent is logged out")

    def leave(self, reason: str) -> None:
        """Hear nothing more, and fail what still waits for a result. The agent itself stays as it is."""
        if self._gone is not None:
            return
        self._gone = reason
        self._end()
        self._station.disconnect(self._connection)
        for call in self.calls.values():
            call.lose(reason)
        for future in self._results.values():
            if not future.done():
                future.set_exception(StateError(reason))

    async def command(self, action: str, **parameter: str) -> CommandResult:
        """Any command of the contract; its result. Raises `CommandFailed`, or `StateError` once it is logged out."""
        if self._gone is not None:
            raise StateError(self._gone)
        self._serial += 1
        name = f"{action}-{self._serial}"
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._results[name] = future
        self._send({"action": action, "id": name, "parameter": parameter})
        try:
            result = await future
        finally:
            self._results.pop(name, None)
        if result.status == "failed":
            code = result.error.code if result.error else "internal"
            known = CODES[code].meaning if code in CODES else code
            raise CommandFailed(action, code, self._details.get(code, known))
        return result

    def _send(self, command: dict[str, Any]) -> None:
        self._station.put(ConnectionReceived(self._connection, msgspec.json.encode(command).decode()))

    def _give_up(self, outcome: asyncio.Future[CommandResult]) -> None:
        """Nobody waits for this call any more: it is released as soon as there is something to release."""
        if not outcome.cancelled() and outcome.exception() is None:
            self._send({"action": "releaseCall", "parameter": {"dialogId": outcome.result().dialogId}})

    def use_audio(self, dialog: str, source: Source | None, sink: Sink | None) -> None:
        self._station.put(UseAudio(self._connection, dialog, source, sink))

    def tell(self, message: ToDesk, text: str) -> None:
        """The station tells this agent's connection something; see `offhook.gateway.app.Subscriber`."""
        if isinstance(message, CommandResult):
            if (future := self._results.get(message.id)) is not None and not future.done():
                future.set_result(message)
            return
        if isinstance(message, DialogMessage):
            self._dialog(message)
        elif isinstance(message, Error):
            self._failure(message)
        elif isinstance(message, XmppEvent):
            self.registered = message.response.type == "IN_SERVICE"
        for feed in list(self._feeds):
            feed.put(message)
        if isinstance(message, AgentInfo) and message.response.state == "LOGOUT":
            self._end()

    def close(self, code: int, reason: str) -> None:
        """The station ends the connection."""
        self.leave(reason)

    def _end(self) -> None:
        self.registered = False
        for events in list(self._feeds):
            events.end()
        for incoming in list(self._incoming):
            incoming.end()

    def _dialog(self, message: DialogMessage) -> None:
        dialog = message.response.dialog
        if dialog is None:
            return
        call = self.calls.get(dialog.id)
        if call is not None:
            call.update(dialog)
        elif isinstance(message, OutboundDialing):
            call = self.calls[dialog.id] = Call(self, dialog, "out")
            self._began(call)
        elif dialog.state != "DROPPED":
            # News of a call that was there before us has no word on its direction but who it is from.
            out = dialog.fromAddress == self.extension and dialog.state != "ALERTING"
            call = self.calls[dialog.id] = Call(self, dialog, "out" if out else "in")
            if dialog.state == "ALERTING":
                for feed in list(self._incoming):
                    feed.put(call)
        if dialog.state == "DROPPED":
            # The Error that says why comes right after it, in the same turn of the driver.
            asyncio.get_running_loop().call_soon(self.calls.pop, dialog.id, None)

    def _began(self, call: Call) -> None:
        if self._dialled is None:
            return
        dialled, source, sink = self._dialled
        if not dialled.done():
            dialled.set_result(call)
            if source is not None or sink is not None:
                self.use_audio(call.id, source, sink)

    def _failure(self, message: Error) -> None:
        response = message.response
        self._details[response.code] = response.detail
        if len(self._details) > len(CODES):
            self._details.pop(next(iter(self._details)))
        if response.dialogId is not None and (call := self.calls.get(response.dialogId)) is not None:
            call.fail(response.code, response.detail)


def _look_at(outcome: asyncio.Future[CommandResult]) -> None:
    """Look at a result that nobody waits for: the call's events tell the same."""
    if not outcome.cancelled():
        outcome.exception()


class Page:
    """What a web page is to the JavaScript library: commands as they are, events to the callbacks in them.

    Which callback gets what: an inbound call's events go to the login's, those of an outbound call to that of the
    command that made it; what a command itself brings about (held, muted, digits sent, an Error) goes to its own; a
    missing one is replaced by the login's. A callback gets the event as a dict; a coroutine function is awaited before
    the next event.
    """

    OWN_EVENTS = frozenset({"holdCall", "retrieveCall", "mute_call", "unmute_call", "getDialog"})
    """Commands that themselves bring about an event of their dialog."""
    DIALLING = frozenset({"makeCall", "makeOBCall"})

    def __init__(self, station: Station) -> None:
        self._station = station
        self._connection = station.connect(self, trusted=True)
        self._serial = 0
        self._posted: dict[str, _Posted] = {}
        self._login: Callback | None = None
        self._owners: dict[str, Callback | None] = {}
        self._withheld: Error | None = None
        self._queue: deque[tuple[Callback, dict[str, Any]]] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.finished = asyncio.get_running_loop().create_task(self._run(), name="callbacks of a page")
        """Done when the page is closed and all callbacks have run."""

    def post(self, command: Mapping[str, Any]) -> None:
        """Give a command: `{"action": ..., "parameter": {..., "clientCallbackFunction": callable}}`.

        What comes of it comes to the callbacks. Raises TypeError for a callback that cannot be called, and for what is
        no JSON, and StateError when the phone is closed.
        """
        if self._closed:
            raise StateError("the phone is closed")
        if not isinstance(command, Mapping):
            raise TypeError(f"a command is a dict with action and parameter, not {type(command).__name__}")
        envelope = dict(command)
        parameter, callback = envelope.get("parameter"), None
        if isinstance(parameter, Mapping):
            parameter = dict(parameter)
            callback = parameter.pop("clientCallbackFunction", None)
            if callback is not None and not callable(callback):
                raise TypeError("clientCallbackFunction must be a function")
        action = str(envelope.get("action"))
        self._serial += 1
        name = f"post-{self._serial}"
        text = msgspec.json.encode({**envelope, "parameter": parameter, "id": name}).decode()
        if action == "login":
            self._login = callback or self._login
        dialog = parameter.get("dialogId") if isinstance(parameter, dict) else None
        self._posted[name] = _Posted(action, callback, envelope.get("id"), dialog if isinstance(dialog, str) else None)
        self._station.put(ConnectionReceived(self._connection, text))

    def tell(self, message: ToDesk, text: str) -> None:
        """The station tells the page's connection something; see `offhook.gateway.app.Subscriber`."""
        if isinstance(message, CommandResult):
            self._result(message, text)
            return
        self._release_withheld()
        if isinstance(message, Error) and self._pending(message.response.dialogId) is None:
            # Whose it is, the result of the same command will tell, in the same turn of the driver.
            self._withheld = message
            asyncio.get_running_loop().call_soon(self._release_withheld)
            return
        self._give(self._callback(message), msgspec.json.decode(text))

    def close(self, code: int, reason: str) -> None:
        """The station ends the connection; what is queued still comes to its callbacks."""
        self._station.disconnect(self._connection)
        self._closed = True
        self._wake.set()

    def _result(self, message: CommandResult, text: str) -> None:
        posted = self._posted.pop(message.id, None)
        if posted is None:
            return
        error, self._withheld = self._withheld, None
        if error is not None:
            same = message.error is not None and message.error.code == error.response.code
            callback = posted.callback if same and posted.action != "releaseCall" else None
            self._give(callback or self._login, msgspec.to_builtins(error))
        if posted.id is not None:
            self._give(posted.callback or self._login, {**msgspec.json.decode(text), "id": posted.id})

    def _release_withheld(self) -> None:
        if self._withheld is not None:
            error, self._withheld = self._withheld, None
            self._give(self._owners.get(error.response.dialogId or "") or self._login, msgspec.to_builtins(error))

    def _callback(self, message: ToDesk) -> Callback | None:
        """Who gets it (RB §1)."""
        dialog: str | None = None
        actions: frozenset[str] = frozenset()
        if isinstance(message, DialogMessage) and message.response.dialog is not None:
            dialog, actions = message.response.dialog.id, self.OWN_EVENTS
            if isinstance(message, OutboundDialing) and dialog not in self._owners:
                made = self._first(self.DIALLING, None)
                self._owners[dialog] = made.callback if made else None
            if message.response.dialog.state == "DROPPED":
                asyncio.get_running_loop().call_soon(self._owners.pop, dialog, None)
        elif isinstance(message, Dtmf):
            dialog, actions = message.response.dialogId, frozenset({"SendDtmf"})
        elif isinstance(message, Error):
            dialog = message.response.dialogId
            posted = self._pending(dialog)
            return (posted.callback if posted else None) or self._login
        elif isinstance(message, CallStats):
            dialog, actions = message.response.dialogId, frozenset({"getStats"})
        elif isinstance(message, AgentState):
            actions = frozenset({"getState"})
        elif isinstance(message, AgentInfo) and message.response.state == "LOGOUT":
            actions = frozenset({"logout"})
        posted = self._first(actions, dialog)
        return (posted.callback if posted else None) or self._owners.get(dialog or "") or self._login

    def _first(self, actions: frozenset[str], dialog: str | None) -> _Posted | None:
        """The oldest command of these that has no outcome yet."""
        return next((p for p in self._posted.values() if p.action in actions and p.dialog == dialog), None)

    def _pending(self, dialog: str | None) -> _Posted | None:
        """The command whose Error that may be, where the dialog tells. `releaseCall`'s go to the login's (RB §1)."""
        if dialog is None:
            return None
        return next((p for p in self._posted.values() if p.dialog == dialog and p.action != "releaseCall"), None)

    def _give(self, callback: Callback | None, event: dict[str, Any]) -> None:
        if callback is None:
            logger.warning("= no callback for a %s", event.get("event"))
            return
        if len(self._queue) >= MAX_FEED:
            logger.error("= callbacks are too slow, a %s is lost", event.get("event"))
            return
        self._queue.append((callback, event))
        self._wake.set()

    async def _run(self) -> None:
        while self._queue or not self._closed:
            while self._queue:
                callback, event = self._queue.popleft()
                try:
                    answer = callback(event)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception:
                    logger.exception("a callback failed on a %s", event.get("event"))
            if not self._closed:
                self._wake.clear()
                await self._wake.wait()


class _Posted:
    """A command that a page gave and that has no result yet."""

    def __init__(self, action: str, callback: Callback | None, id: Any, dialog: str | None) -> None:
        self.action = action
        self.callback = callback
        self.id = id
        self.dialog = dialog


class Phone:
    """Agents, calls and audio in this process. An asynchronous context manager.

    `servers` are tried in their order. The options are those of `offhook serve`: see `offhook.config.Config`, which
    checks them. Raises `ConfigError`.
    """

    def __init__(
        self,
        *servers: str,
        domain: str = "",
        media: Literal["local", "null"] = "local",
        source: str = "silence",
        media_address: str = "",
        insecure_tls: bool = False,
        ca_file: str = "",
        sip_trace: str = "",
        dtmf: Literal["info", "rtp"] = "info",
        call_waiting: Literal["announce", "busy"] = "announce",
    ) -> None:
        self.config = Config(
            sip=servers or DEFAULT_SERVERS,
            domain=domain,
            media=media,
            source=source,
            media_address=media_address,
            insecure_tls=insecure_tls,
            ca_file=ca_file,
            sip_trace=sip_trace,
            dtmf=dtmf,
            call_waiting=call_waiting,
        )
        self._station: Station | None = None
        self._page: Page | None = None
        self._pages: list[Page] = []

    async def __aenter__(self) -> Phone:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        if self._station is not None:
            raise StateError("the phone is started already")
        self._station = Station(self.config)
        await self._station.start()

    async def close(self) -> None:
        """End all calls, log all agents out, free everything; within 5 s."""
        if self._station is not None:
            station, self._station, self._page = self._station, None, None
            await station.stop()
            pages, self._pages = [page.finished for page in self._pages], []
            if pages:
                _, late = await asyncio.wait(pages, timeout=CALLBACK_SECONDS)
                for task in late:
                    task.cancel()

    async def login(self, extension: str, password: str, *, timeout: float = 10.0) -> Agent:
        """Log an agent in. Raises `LoginRefused` with code `credentials-refused`, `unreachable` or `timeout`."""
        station = self._running()
        agent = Agent(station, extension)
        try:
            async with asyncio.timeout(timeout):
                await agent.command("login", extension=extension, password=password)
        except (CommandFailed, TimeoutError) as error:
            agent.leave("the login failed")
            code, detail = (
                (error.code, error.detail)
                if isinstance(error, CommandFailed)
                else ("timeout", f"The server did not answer within {timeout:g} s.")
            )
            raise LoginRefused("login", code, detail) from None
        except asyncio.CancelledError:
            agent.leave("the login was cancelled")
            raise
        return agent

    def page(self) -> Page:
        """A page of its own, for an agent of its own."""
        page = Page(self._running())
        self._pages.append(page)
        return page

    def post(self, command: Mapping[str, Any]) -> None:
        """A command of the contract as it is, on this phone's one page: see `Page.post`."""
        if self._page is None:
            self._page = self.page()
        self._page.post(command)

    def _running(self) -> Station:
        if self._station is None:
            raise StateError("the phone is not started: use `async with Phone(...) as phone`")
        return self._station
