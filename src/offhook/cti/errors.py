"""Every error that a desk can be told: one table of codes, and the strings that existing desks match.

Contract §5. `type` and `description` are the reference's, `code` and `detail` are ours. A call that the other side
refused has a code from outside of the table: the text of its Reason header (`USER_BUSY`), else its SIP status (`486`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ErrorType = Literal["subscriptionFailed", "generalError", "invalidState", "networkIssue"]

MISSING = "Error: The following parameter(s) are undefined or null or empty: "
"""The reference's sentence; the missing names follow, separated by comma and space."""
MONITORED_HELD = "Call Monitoring Failed due to call is ON HOLD"
"""What desks are told of a call that cannot be listened to because it is held; they match the whole of it."""
TARGET = "Invalid target Uri:"
"""What desks are told of a number that is not dialled; the number follows."""
ON_HOLD = "ON_HOLD"
"""The server's word for that."""
INVALID_CREDENTIALS = "Invalid Credentials. Please provide valid credentials."
"""What desks show after a refused login; letter for letter."""


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the table; `meaning` is what a person can act on, and the `detail` where nothing better is known."""

    type: ErrorType
    meaning: str


CODES: dict[str, Code] = {
    # The command itself
    "too-large": Code("generalError", "The command is larger than 64 KiB."),
    "invalid-json": Code("generalError", "The text is not JSON."),
    "invalid-command": Code("generalError", "A command is an object with a string `action` and an object `parameter`."),
    "unknown-action": Code("generalError", "There is no action of this name; names are matched exactly."),
    "not-implemented": Code("generalError", "This action is not implemented in this version."),
    "not-supported": Code("generalError", "This action belongs to another product and does nothing here."),
    "missing-parameter": Code("generalError", "Give the parameters that the description lists."),
    "invalid-parameter": Code("generalError", "A parameter has the wrong type, form or length."),
    "invalid-number": Code("generalError", "The number has characters that no telephone number or user name has."),
    "monitoring-number": Code("generalError", "Numbers with the monitoring prefix are for silentMonitor alone."),
    # The state it met
    "not-logged-in": Code("invalidState", "Log in first."),
    "unknown-dialog": Code("invalidState", "This agent has no live call with this dialogId."),
    "wrong-state": Code("invalidState", "The call is in a state in which this cannot be done."),
    "wrong-call-type": Code("generalError", "This cannot be done with a call of this callType."),
    "consult-exists": Code("generalError", "There is a consult already; end it or complete it first."),
    "transfer-pending": Code("generalError", "An earlier transfer of this call has no outcome yet."),
    "too-many-calls": Code("generalError", "The agent has as many calls as the configuration allows."),
    "too-many-commands": Code("generalError", "Too many commands wait for this call; wait for their results."),
    "timeout": Code("generalError", "The outcome did not become known in time."),
    "call-ended": Code("generalError", "The call ended before the command could be carried out."),
    "not-sent": Code("generalError", "The request could not be sent."),
    "internal": Code("generalError", "Offhook failed at this command; its log says how. What came of it is not known."),
    "bug": Code("generalError", "Offhook failed at something that happened; its log says how. getState tells what is."),
    "released": Code("generalError", "The call was released before the server took it."),
    "logged-out": Code("generalError", "The agent logged out before the command could be carried out."),
    # The way to the server
    "credentials-refused": Code("subscriptionFailed", "The server refused this extension and password."),
    "token-refused": Code("subscriptionFailed", "The token is not valid here, or names another extension."),
    "token-required": Code("subscriptionFailed", "Here a login needs a token that names its extension."),
    "proof-refused": Code("generalError", "The password or token was refused; the connection stays as it was."),
    "token-expired": Code("generalError", "The token has expired; connect again with a new one."),
    "login-slowed": Code("subscriptionFailed", "Too many refused logins of this extension from here; wait a little."),
    "unreachable": Code("networkIssue", "The server cannot be reached; it is tried again until logout."),
    "out-of-service": Code("networkIssue", "The connection to the server is lost; it is tried again until logout."),
    "recovery-failed": Code(
        "networkIssue", "The connection is back, but this call could not be taken over yet; it is tried again."
    ),
    # Conferences, monitoring, video
    "not-allowed": Code("generalError", "Listening to others' calls is for supervisors."),
    "not-in-dialect": Code("generalError", "There is no way to ask this of the server in the configured dialect."),
    "not-understood": Code("generalError", "The server does not understand what it was asked for."),
    "no-consult": Code("invalidState", "There is no consult, answered and not queued, to take into the conference."),
    "consult-left": Code("generalError", "The consulted party has left; the customer's call is as it was."),
    "conference-limit": Code("generalError", "A conference has at most 4 members."),
    "conference-refused": Code("generalError", "The server did not make the conference; the calls are as they were."),
    "call-on-hold": Code("generalError", "The call is on hold; try again when it is retrieved."),
    "customer-left": Code("generalError", "The customer has left the call."),
    "barge-refused": Code("generalError", "The server did not let you into the call; you go on listening."),
    "whisper-refused": Code("generalError", "You cannot whisper; you go on listening and are not heard."),
    "unknown-participant": Code("generalError", "The conference has no other member of this number."),
    "drop-refused": Code("generalError", "The server did not take the member out of the conference."),
    "variables-refused": Code("generalError", "The server did not take the call variables; they are as they were."),
    "too-many-variables": Code("generalError", "The call has as many variables, or as long ones, as it may have."),
    "cannot-convert": Code("generalError", "Video cannot be turned on or off in calls of this type."),
    # What the other side refused
    "hold-refused": Code("generalError", "The other side did not accept the hold; the call is as it was."),
    "retrieve-refused": Code("generalError", "The other side did not accept the retrieve; the call is as it was."),
    "change-refused": Code("generalError", "The other side did not accept the change; the call is as it was."),
    "digits-refused": Code("generalError", "The other side did not accept a digit; the rest was not sent."),
    "transfer-refused": Code("generalError", "The server did not accept the transfer; the call is as it was."),
    # The connection
    "other-agent": Code(
        "invalidState", "This connection belongs to another agent; log out first, or open another connection."
    ),
    "login-pending": Code(
        "generalError", "Another login of this extension waits for the server; try again when it is over."
    ),
    "too-many-agents": Code("generalError", "This gateway has as many agents as it takes."),
    "too-many-connections": Code("generalError", "This gateway has as many connections as it takes."),
    "too-fast": Code("generalError", "Too many commands in too short a time; the connection is closed."),
    "agent-too-fast": Code("generalError", "All connections of this agent together send too many commands."),
    "stopping": Code("generalError", "The gateway is being stopped."),
    # Audio
    "media-unknown-media": Code("generalError", "The media engine does not know this call any more."),
    "media-bad-sdp": Code("generalError", "The session description of the other side cannot be used."),
    "media-no-common-codec": Code("generalError", "The other side has no audio codec in common with us."),
    "media-closed": Code("generalError", "The audio of this call was closed meanwhile."),
    "media-timeout": Code("generalError", "The media engine did not answer in time."),
    "media-no-relay": Code("generalError", "The relay (TURN server) that the audio must go through cannot be used."),
    "media-unsupported": Code("generalError", "The media engine cannot do this."),
    "media-device": Code("generalError", "The microphone or loudspeaker cannot be used."),
    "media-internal": Code("generalError", "The media engine failed."),
    "media-lost": Code("generalError", "The audio path of the call is lost."),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not come about; becomes an `Error` event or the `error` of a commandResult.

    `description` may quote what the desk sent, so it is kept out of the repr.
    """

    type: ErrorType
    code: str
    description: str = field(repr=False)
    detail: str = field(repr=False)


def failure(code: str, description: str | None = None, detail: str | None = None) -> Failure:
    """A failure of the table; what is not given is the table's sentence."""
    row = CODES[code]
    return Failure(row.type, code, description or row.meaning, detail or row.meaning)


_SPELLED = {
    "retrieveCall": "unholdCall",
    "conference_consult": "initiate_consult_Conference",
    "bargeIn": "initiate_BargeIn",
    "convertCall": "ConvertCall",
}


def invalid_action(action: str, code: str = "wrong-state", detail: str | None = None) -> Failure:
    """`invalid action <action>`, spelled as the reference has it (RB §3: a retrieve is its unholdCall)."""
    return failure(code, f"invalid action {_SPELLED.get(action, action)}", detail)


def missing_parameters(names: list[str]) -> Failure:
    return failure("missing-parameter", MISSING + ", ".join(names), f"Give {', '.join(names)}.")


def media_failure(code: str, detail: str) -> Failure:
    """What an engine's `EngineFailed` becomes."""
    known = f"media-{code}"
    return failure(known if known in CODES else "media-internal", detail or None, detail or None)
