"""The contract as it is, with Python callables as `clientCallbackFunction`."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from offhook.api.feed import MAX_FEED
from offhook.cti.events import (
    AgentInfo,
    AgentState,
    CallStats,
    CommandResult,
    DialogMessage,
    Dtmf,
    Error,
    OutboundDialing,
    ToDesk,
)
from offhook.errors import StateError
from offhook.gateway.app import Station
from offhook.gateway.interface import ConnectionReceived

logger = logging.getLogger(__name__)

Callback = Callable[[dict[str, Any]], Awaitable[None] | None]


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
                except Exception:  # broad: it is the program's own code, whose mistakes keep nobody from the next event
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
