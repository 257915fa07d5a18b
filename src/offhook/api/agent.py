"""An agent that is logged in: what it is asked for goes to the station as commands of the contract."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

import msgspec

from offhook.api.audio import as_sink, as_source
from offhook.api.call import Call
from offhook.api.feed import Feed
from offhook.cti.errors import CODES
from offhook.cti.events import AgentInfo, CommandResult, DialogMessage, Error, ToDesk, XmppEvent
from offhook.errors import CommandFailed, StateError
from offhook.gateway.app import Station
from offhook.gateway.interface import ConnectionReceived, UseAudio
from offhook.media.engine import Sink, Source

if TYPE_CHECKING:
    from offhook.api.audio import AudioIn, AudioOut


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
        self._passed_on: Call | None = None
        """The call that the last event ended here, though it goes on elsewhere."""
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
        parameter = {"calledNumber": number, "Destination_Number": destination or number, "callType": "audio"}
        return await self.place("makeCall", parameter, source, sink)

    async def monitor(self, number: str, *, sink: AudioOut | None = None) -> Call:
        """Listen to the call of another agent; needs the role supervisor. `Call.whisper` and `barge_in` go on from it.

        Raises `CommandFailed` where the gateway does not allow it; `Call.answered` tells what the server says.
        """
        parameter = {"calledNumber": number, "Destination_Number": number, "service_Identifier": number}
        return await self.place("silentMonitor", parameter | {"callType": "audio"}, None, sink)

    async def place(
        self, action: str, parameter: dict[str, str], source: AudioIn | None, sink: AudioOut | None
    ) -> Call:
        """A command that makes a call; the call is given as soon as it leaves."""
        audio = None if source is None else as_source(source), None if sink is None else as_sink(sink)
        async with self._dialing:
            dialled: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
            self._dialled = (dialled, *audio)
            outcome = asyncio.ensure_future(self.command(action, **parameter))
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

    async def command(self, action: str, **parameter: Any) -> CommandResult:
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
        call, passed_on = self.calls.get(dialog.id), self._passed_on
        self._passed_on = None
        if call is not None:
            call.update(dialog)
            if dialog.state == "DROPPED" and dialog.isCallEnded == 0:
                self._passed_on = call
        elif passed_on is not None and dialog.state in ("ACTIVE", "HELD"):
            # Whom this agent was consulted by has gone: the call goes on under the customer's id.
            self.calls[dialog.id] = passed_on
            passed_on.update(dialog)
        elif dialog.state == "INITIATING":
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
            asyncio.get_running_loop().call_soon(self._forget, dialog.id)

    def _forget(self, dialog_id: str) -> None:
        """A call is over, unless it went on: as a conference under the same id, or with the customer under another."""
        call = self.calls.get(dialog_id)
        if call is not None and (call.state == "DROPPED" or call.id != dialog_id):
            del self.calls[dialog_id]

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
