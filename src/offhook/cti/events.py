"""What a desk is told: contract §4, one frozen struct an event. Attribute names are the JSON names.

`seq` and `stream` are set when an event is published to all desks of its agent; an event that only answers one desk (a
join, `getState`, `getDialog`) has neither. A repr never shows numbers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from offhook.cti.errors import INVALID_CREDENTIALS, ErrorType, Failure, failure

State = Literal["INITIATING", "INITIATED", "ALERTING", "ACTIVE", "HELD", "DROPPED"]
Service = Literal["IN_SERVICE", "OUT_OF_SERVICE"]


class Actions(Struct, frozen=True):
    action: tuple[str, ...]


class Participant(Struct, frozen=True, kw_only=True):
    """Who takes part. Times are ISO 8601 UTC with milliseconds."""

    actions: Actions
    mediaAddress: str
    mediaAddressType: str
    startTime: str
    state: State
    stateCause: str | None = None
    stateChangeTime: str
    mute: bool = False


class CallVariable(Struct, frozen=True):
    name: str
    value: str


class CallVariables(Struct, frozen=True):
    CallVariable: tuple[CallVariable, ...] = ()


class Dialog(Struct, frozen=True, kw_only=True):
    """A call as the agent sees it; every key is always there, null where unknown.

    Two keys are additions: `remoteHold`, once the other side has held the call, and `endCallReason`, in DROPPED.
    """

    id: str
    fromAddress: str
    dialedNumber: str
    customerNumber: str
    dnis: str
    serviceIdentifier: str
    callType: str | None
    ani: str
    wrapUpReason: str | None = None
    wrapUpItems: str | None = None
    callEndReason: str | None = None
    queueName: str | None = None
    queueType: str | None = None
    associatedDialogUri: str | None = None
    secondaryId: str | None = None
    participants: tuple[Participant, ...]
    callVariables: CallVariables = CallVariables()
    state: State
    isCallAlreadyActive: bool = False
    callbackNumber: str | None = None
    outboundClassification: str | None = None
    scheduledCallbackInfo: str | None = None
    isCallEnded: Literal[0, 1] = 0
    eventType: str = "PUT"
    mediaType: str | None = None
    callOriginator: str | None = None
    channelType: str | None = None
    primaryDN: str | None = None
    remoteHold: bool | UnsetType = UNSET
    endCallReason: str | None | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Dialog(id={self.id!r}, state={self.state!r})"


class Message(Struct, frozen=True, kw_only=True, tag_field="event"):
    """Anything that goes to a desk."""

    @property
    def name(self) -> str:
        return str(type(self).__struct_config__.tag)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class AgentInfoResponse(Struct, frozen=True, kw_only=True):
    loginId: str
    extension: str
    state: Literal["LOGIN", "LOGOUT"]
    cause: str | None = None


class AgentInfo(Message, frozen=True, kw_only=True, tag="agentInfo"):
    response: AgentInfoResponse
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET


class XmppResponse(Struct, frozen=True, kw_only=True):
    loginId: str
    type: Service
    description: str


class XmppEvent(Message, frozen=True, kw_only=True, tag="xmppEvent"):
    response: XmppResponse
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET


class DialogResponse(Struct, frozen=True, kw_only=True):
    loginId: str
    dialog: Dialog | None


class DialogMessage(Message, frozen=True, kw_only=True, tag="dialog"):
    """What the six events that carry a dialog have in common."""

    response: DialogResponse
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.response.dialog!r})"


class DialogState(DialogMessage, frozen=True, kw_only=True, tag="dialogState"):
    pass


class NewInboundCall(DialogMessage, frozen=True, kw_only=True, tag="newInboundCall"):
    pass


class OutboundDialing(DialogMessage, frozen=True, kw_only=True, tag="outboundDialing"):
    pass


class ConsultCall(DialogMessage, frozen=True, kw_only=True, tag="ConsultCall"):
    pass


class CampaignCall(DialogMessage, frozen=True, kw_only=True, tag="campaignCall"):
    pass


class Monitoring(DialogMessage, frozen=True, kw_only=True, tag="MONITORING"):
    pass


DialogEvent = DialogState | NewInboundCall | OutboundDialing | ConsultCall | CampaignCall | Monitoring


class DtmfResponse(Struct, frozen=True, kw_only=True):
    loginId: str
    type: Literal[0, 1]
    description: str
    dialogId: str


class Dtmf(Message, frozen=True, kw_only=True, tag="DTMF"):
    response: DtmfResponse
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET


class ErrorResponse(Struct, frozen=True, kw_only=True):
    """`event_time` is local time in the reference's form; never a `dialog` in here (RB §8.24)."""

    type: ErrorType
    loginId: str
    description: str
    event_time: str
    code: str
    dialogId: str | None
    detail: str


class Error(Message, frozen=True, kw_only=True, tag="Error"):
    response: ErrorResponse
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Error(code={self.response.code!r})"


class Audio(Struct, frozen=True, kw_only=True):
    """Both directions of a call's audio; null where not measured. Levels in dBov, times in ms, mos 1.0 to 4.5."""

    codec: str | None = None
    packetsSent: int | None = None
    packetsReceived: int | None = None
    packetsLost: int | None = None
    jitterMs: float | None = None
    roundTripMs: float | None = None
    mos: float | None = None
    levelInDb: float | None = None
    levelOutDb: float | None = None


class Video(Struct, frozen=True, kw_only=True):
    """Both directions of a call's video. `width` and `height` are of the last picture received, null where there was
    none; frames dropped and the times that the picture stood still are null where they are not counted."""

    codec: str
    direction: Literal["sendrecv", "sendonly", "recvonly", "inactive"]
    connected: bool
    framesSent: int
    framesReceived: int
    framesDropped: int | None
    freezes: int | None
    frozenMs: int | None
    packetsSent: int
    packetsReceived: int
    packetsLost: int
    width: int | None
    height: int | None


class StatsResponse(Struct, frozen=True, kw_only=True):
    """`video` is there where the call has, or had, some."""

    loginId: str
    dialogId: str
    audio: Audio
    video: Video | UnsetType = UNSET


class CallStats(Message, frozen=True, kw_only=True, tag="callStats"):
    response: StatsResponse
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET


class Conversion(Struct, frozen=True, kw_only=True):
    """What became of a stream of a call; `timeStamp` as `iso_time`."""

    id: str
    eventRequest: Literal["local", "remote"]
    stream: Literal["video", "screenshare"]
    streamStatus: Literal["on", "off"]
    errorReason: str | None = None
    timeStamp: str


class MediaConversion(Message, frozen=True, kw_only=True, tag="mediaConversion"):
    """The one event without a `response` (contract §4)."""

    status: Literal["success", "error"]
    loginId: str
    dialog: Conversion
    seq: int | UnsetType = UNSET
    stream: str | UnsetType = UNSET


class AgentStateResponse(Struct, frozen=True, kw_only=True):
    loginId: str
    extension: str
    state: Literal["LOGIN", "LOGOUT"]
    registration: Service
    dialogs: tuple[Dialog, ...]


class AgentState(Message, frozen=True, kw_only=True, tag="agentState"):
    """The answer to `getState`, to the asker alone."""

    response: AgentStateResponse


Event = AgentInfo | XmppEvent | DialogEvent | Dtmf | Error | CallStats | MediaConversion
"""What is published to all desks of an agent, numbered."""


class ResultError(Struct, frozen=True, kw_only=True):
    type: ErrorType
    code: str
    description: str
    dialogId: str | None


class CommandResult(Message, frozen=True, kw_only=True, tag="commandResult"):
    """The one outcome of a command that had an `id`; `result` is the answer of a query."""

    id: str
    action: str | None
    status: Literal["done", "failed"]
    error: ResultError | None = None
    dialogId: str | None = None
    result: Any | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"CommandResult(action={self.action!r}, status={self.status!r})"


class SnapshotResponse(Struct, frozen=True, kw_only=True):
    loginId: str
    stream: str
    seq: int
    registration: Service
    dialogs: tuple[Dialog, ...]


class Snapshot(Message, frozen=True, kw_only=True, tag="snapshot"):
    """Where an agent stands after event `seq`: for a desk whose missed events are no longer held."""

    response: SnapshotResponse


class TokenExpiringResponse(Struct, frozen=True, kw_only=True):
    """`expiresAt` as `iso_time`; `seconds` are what is left."""

    loginId: str
    expiresAt: str
    seconds: int


class TokenExpiring(Message, frozen=True, kw_only=True, tag="tokenExpiring"):
    """The token of this connection ends soon: send `renewToken`, or the connection is closed then."""

    response: TokenExpiringResponse


ToDesk = Event | AgentState | CommandResult | Snapshot | TokenExpiring


def iso_time(wall: float) -> str:
    """`2023-06-20T08:51:35.993Z`."""
    moment = datetime.fromtimestamp(round(wall * 1000) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{round(moment.microsecond / 1000):03d}Z"


def local_time(wall: float, utc_offset: float) -> str:
    """`2023-5-13 3:22:51.778`: the reference's unpadded form (RB §4.2); `utc_offset` in seconds east."""
    moment = datetime.fromtimestamp(round(wall * 1000) / 1000, UTC) + timedelta(seconds=utc_offset)
    return (
        f"{moment.year}-{moment.month}-{moment.day} {moment.hour}:{moment.minute}:{moment.second}"
        f".{round(moment.microsecond / 1000)}"
    )


def agent_info(extension: str, state: Literal["LOGIN", "LOGOUT"]) -> AgentInfo:
    return AgentInfo(response=AgentInfoResponse(loginId=extension, extension=extension, state=state))


def xmpp_event(extension: str, service: Service, description: str) -> XmppEvent:
    return XmppEvent(response=XmppResponse(loginId=extension, type=service, description=description))


def no_dialog(extension: str) -> DialogState:
    """The `dialogState` that says: no call; desks close what they still show."""
    return DialogState(response=DialogResponse(loginId=extension, dialog=None))


def error(extension: str, told: Failure, dialog_id: str | None, wall: float, utc_offset: float) -> Error:
    return Error(
        response=ErrorResponse(
            type=told.type,
            loginId=extension,
            description=told.description,
            event_time=local_time(wall, utc_offset),
            code=told.code,
            dialogId=dialog_id,
            detail=told.detail,
        )
    )


def result_error(told: Failure, dialog_id: str | None) -> ResultError:
    return ResultError(type=told.type, code=told.code, description=told.description, dialogId=dialog_id)


def login_refused(extension: str, wall: float, utc_offset: float) -> list[Event]:
    """What a desk with a wrong password is told (RB §3.1): LOGOUT first, then the Error."""
    refused = failure("credentials-refused", INVALID_CREDENTIALS)
    return [agent_info(extension, "LOGOUT"), error(extension, refused, None, wall, utc_offset)]
