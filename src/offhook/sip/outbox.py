"""The one list of outputs of a user agent: every part of it puts its own in, in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from offhook.sip.client_transaction import ClientReport
    from offhook.sip.connectivity import ServerFlowLost
    from offhook.sip.events import SipEvent
    from offhook.sip.flow import FlowOutput
    from offhook.sip.server_transaction import ServerReport

    Item: TypeAlias = FlowOutput | SipEvent | ClientReport | ServerReport | ServerFlowLost


class Outbox:
    """First in, first out. Reports are for the user agent itself, the rest is for its owner.

    Parts put outputs in, they never call one another upwards: whoever is in the middle of a change finishes it first.
    """

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: deque[Item] = deque()

    def put(self, item: Item) -> None:
        self._items.append(item)

    def take(self) -> Item | None:
        """The oldest item, or None."""
        return self._items.popleft() if self._items else None

    def drain(self) -> list[Item]:
        """All items, oldest first."""
        items = list(self._items)
        self._items.clear()
        return items
