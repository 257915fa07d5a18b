"""The commands a desk gives: contract §2, one frozen struct each. Attribute names are the JSON names.

Required parameters are the fields without a default. A command's repr tells its action and dialog, never a number, a
digit or a password.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(max_length=256)]
DialogId = Annotated[str, Meta(max_length=256)]
Number = Annotated[str, Meta(max_length=128)]
# What becomes the user part of our own URIs, and a name in traces: the characters that numbers may have.
Extension = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9\-_.!~*'()&=+$,/#]+$(?!\n)")]
Secret = Annotated[str, Meta(max_length=1024)]
SignedToken = Annotated[str, Meta(max_length=8192)]
# `$(?!\n)`: Python's `$` alone also matches before a last line feed, JavaScript's does not.
VariableName = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_]+$(?!\n)")]
VariableValue = Annotated[str, Meta(max_length=512)]
Digits = Annotated[str, Meta(max_length=64, pattern=r"^[0-9A-D*#]+$(?!\n)")]


class Request(Struct, frozen=True, kw_only=True, tag_field="action"):
    """What all commands have: `id`, which asks for a commandResult."""

    id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None

    @property
    def action(self) -> str:
        return str(type(self).__struct_config__.tag)

    def __repr__(self) -> str:
        dialog = getattr(self, "dialogId", None)
        return f"{type(self).__name__}({'' if dialog is None else f'dialogId={dialog!r}'})"


class Login(Request, frozen=True, kw_only=True, tag="login"):
    """Proves the extension's password, or a token that names the extension."""

    extension: Extension
    password: Secret
    loginId: str | None = None
    token: SignedToken | None = None


class Resume(Request, frozen=True, kw_only=True, tag="resume"):
    """Come back to an agent's event stream after event `seq`; proves the password or a token."""

    extension: Extension
    stream: Name
    seq: Annotated[int, Meta(ge=0)]
    password: Secret | None = None
    token: SignedToken | None = None


class RenewToken(Request, frozen=True, kw_only=True, tag="renewToken"):
    """A newer token for this connection, which logged in by one; nothing else changes."""

    token: SignedToken


class Logout(Request, frozen=True, kw_only=True, tag="logout"):
    reasonCode: str | None = None
    userId: str | None = None


class MakeCall(Request, frozen=True, kw_only=True, tag="makeCall"):
    calledNumber: Number
    Destination_Number: Number
    callType: Annotated[str, Meta(max_length=32)]


class MakeOBCall(Request, frozen=True, kw_only=True, tag="makeOBCall"):
    calledNumber: Number
    Destination_Number: Number
    callType: Annotated[str, Meta(max_length=32)]


class AnswerCall(Request, frozen=True, kw_only=True, tag="answerCall"):
    dialogId: DialogId
    answerCalltype: str | None = None


class ReleaseCall(Request, frozen=True, kw_only=True, tag="releaseCall"):
    dialogId: DialogId


class RejectCall(Request, frozen=True, kw_only=True, tag="rejectCall"):
    dialogId: DialogId


class HoldCall(Request, frozen=True, kw_only=True, tag="holdCall"):
    dialogId: DialogId


class RetrieveCall(Request, frozen=True, kw_only=True, tag="retrieveCall"):
    dialogId: DialogId


class MuteCall(Request, frozen=True, kw_only=True, tag="mute_call"):
    dialogId: DialogId


class UnmuteCall(Request, frozen=True, kw_only=True, tag="unmute_call"):
    dialogId: DialogId


class SendDtmf(Request, frozen=True, kw_only=True, tag="SendDtmf"):
    dialogId: DialogId
    message: Digits


class SST(Request, frozen=True, kw_only=True, tag="SST"):
    """Blind transfer (Single Step Transfer)."""

    dialogId: DialogId
    numberToTransfer: Number


class SSTQueue(Request, frozen=True, kw_only=True, tag="SST_Queue"):
    dialogId: DialogId
    numberToTransfer: Number
    queue: Name
    queueType: Name


class MakeConsult(Request, frozen=True, kw_only=True, tag="makeConsult"):
    """`dialogId` names the call to hold; without it the one live call that is no consult, the active one of several."""

    numberToConsult: Number
    dialogId: DialogId | None = None


class MakeConsultQueue(Request, frozen=True, kw_only=True, tag="makeConsultQueue"):
    numberToTransfer: Number
    queue: Name
    queueType: Name
    dialogId: DialogId | None = None


class ConsultTransfer(Request, frozen=True, kw_only=True, tag="consultTransfer"):
    """`dialogId` may name the customer's call or the consult."""

    dialogId: DialogId | None = None


class ConferenceConsult(Request, frozen=True, kw_only=True, tag="conference_consult"):
    dialogId: DialogId


class DropParticipant(Request, frozen=True, kw_only=True, tag="dropParticipant"):
    """`participant` is the mediaAddress of a member of the conference."""

    dialogId: DialogId
    participant: Number


class SilentMonitor(Request, frozen=True, kw_only=True, tag="silentMonitor"):
    """Listen to the call of the agent `calledNumber`. `service_Identifier` is the reference's spelling."""

    calledNumber: Number
    Destination_Number: Number
    callType: Annotated[str, Meta(max_length=32)]
    service_Identifier: Number


class BargeIn(Request, frozen=True, kw_only=True, tag="bargeIn"):
    dialogId: DialogId


class Whisper(Request, frozen=True, kw_only=True, tag="whisper"):
    """Speak to the monitored agent alone; again: back to listening."""

    dialogId: DialogId


class ConvertCall(Request, frozen=True, kw_only=True, tag="convertCall"):
    dialogId: DialogId
    streamType: Literal["video", "screenshare"]
    streamStatus: Literal["on", "off"]


class UpdateCallVariableData(Request, frozen=True, kw_only=True, tag="updateCallVariableData"):
    dialogId: DialogId
    callVariables: Annotated[dict[VariableName, VariableValue], Meta(min_length=1, max_length=32)]


class GetState(Request, frozen=True, kw_only=True, tag="getState"):
    pass


class GetDialog(Request, frozen=True, kw_only=True, tag="getDialog"):
    dialogId: DialogId


class GetStats(Request, frozen=True, kw_only=True, tag="getStats"):
    dialogId: DialogId


Command = (
    Login
    | Resume
    | RenewToken
    | Logout
    | MakeCall
    | MakeOBCall
    | AnswerCall
    | ReleaseCall
    | RejectCall
    | HoldCall
    | RetrieveCall
    | MuteCall
    | UnmuteCall
    | SendDtmf
    | SST
    | SSTQueue
    | MakeConsult
    | MakeConsultQueue
    | ConsultTransfer
    | ConferenceConsult
    | DropParticipant
    | SilentMonitor
    | BargeIn
    | Whisper
    | ConvertCall
    | UpdateCallVariableData
    | GetState
    | GetDialog
    | GetStats
)

CHARACTERS = {
    "extension": "letters, digits and - _ . ! ~ * ' ( ) & = + $ , / #",
    "message": "0-9 A-D * #",
    "callVariables": "letters, digits and _",
}
"""What the parameters with a pattern may have in them (`callVariables`: its names), in words."""

DialogCommand = (
    AnswerCall
    | ReleaseCall
    | RejectCall
    | HoldCall
    | RetrieveCall
    | MuteCall
    | UnmuteCall
    | SendDtmf
    | SST
    | SSTQueue
    | ConferenceConsult
    | DropParticipant
    | BargeIn
    | Whisper
    | ConvertCall
    | UpdateCallVariableData
    | GetDialog
    | GetStats
)
"""The commands that name a call."""

CallCommand = MakeCall | MakeOBCall | MakeConsult | MakeConsultQueue | ConsultTransfer | SilentMonitor | DialogCommand
"""The commands of an agent that is logged in, but for the questions about the agent."""

NOT_OURS = frozenset(
    {
        "closeCall",
        "conferenceCall",
        "makeNotReadyWithReason",
        "makeReady",
        "makeWorkReady",
        "getWrapUpReasons",
        "updateWrapupData",
        "acceptCall",
        "getNotReadyLogoutReasons",
        "getTeamUsers",
        "end_call",
        "team_agent_update_status",
        "team_agent_update_state",
        "team_agent_update_reg",
    }
)
"""Names that the reference only logged (RB §1.2). No Error for them: desks turn an agent not-ready on invalidState."""
