"""What REST takes and gives: one struct each, from which the OpenAPI document is made. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from offhook.cti.events import Dialog, Service, State

Direction = Literal["inbound", "outbound"]
Extension = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9\-_.!~*'()&=+$,#]+$")]
DialogId = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9\-_.!~*'()&=+$,@:]+$")]
DialNumber = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z+*#\-_.!~'()]+$")]


class CallView(Struct, frozen=True, kw_only=True):
    """A live call, as one agent has it. `number` is the other side's."""

    id: str
    extension: str
    number: str
    state: State
    callType: str | None
    queue: str | None
    startedAt: str | None


class AgentView(Struct, frozen=True, kw_only=True):
    """An agent that is logged in; `desks` are its open connections."""

    extension: str
    registration: Service
    desks: int
    calls: list[CallView]


class CallRecord(Struct, frozen=True, kw_only=True):
    """A call that is over. Times are ISO 8601 UTC; `seconds` from the answer to the end, 0 without an answer."""

    id: str
    extension: str
    direction: Direction
    number: str
    callType: str | None
    queue: str | None
    startedAt: str
    answeredAt: str | None
    endedAt: str
    seconds: Annotated[float, Meta(ge=0)]
    endReason: str | None


class Agents(Struct, frozen=True, kw_only=True):
    agents: list[AgentView]


class Calls(Struct, frozen=True, kw_only=True):
    calls: list[CallView]


class Records(Struct, frozen=True, kw_only=True):
    """The latest first."""

    calls: list[CallRecord]


class StartCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Have the agent call a number: its desks show the call as if dialled there."""

    number: DialNumber
    callType: Literal["audio", "video"] = "audio"


class Started(Struct, frozen=True, kw_only=True):
    """The server has taken the call; its fate is told by the call itself, and by events at the desk."""

    id: str | None
    extension: str


class HistoryQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`before`: only calls that ended before this time, as `endedAt` has it."""

    extension: Extension | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    before: (
        Annotated[str, Meta(max_length=32, pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")] | UnsetType
    ) = UNSET


class CallsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    extension: Extension | UnsetType = UNSET


class NoQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Problem(Struct, frozen=True, kw_only=True):
    """What was wrong (RFC 9457): `field` names what to change, `remedy` how, `code` is stable."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    remedy: str | None = None


def call_view(extension: str, dialog: Dialog) -> CallView:
    own = dialog.participants[0] if dialog.participants else None
    return CallView(
        id=dialog.id,
        extension=extension,
        number=other_number(dialog),
        state=dialog.state,
        callType=dialog.callType,
        queue=dialog.queueName,
        startedAt=own.startTime if own is not None else None,
    )


def other_number(dialog: Dialog) -> str:
    """The number of the other side, as far as it is known."""
    return dialog.customerNumber or dialog.dialedNumber or dialog.ani
