"""JSON text to commands and messages to JSON text: contract §1.

What cannot be a command raises `CommandRefused`, which holds all that the desk is to be told. Parameters that a command
does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

import msgspec

from offhook.clock import Now
from offhook.cti.commands import CHARACTERS, NOT_OURS, Command, Login, Request, Resume
from offhook.cti.errors import Failure, failure, missing_parameters
from offhook.cti.events import CommandResult, ToDesk, error, result_error
from offhook.errors import LocalError

MAX_COMMAND_BYTES = 65536
MAX_ID = 64
MAX_ACTION = 64

_COMMANDS: dict[str, type[Request]] = {str(command.__struct_config__.tag): command for command in get_args(Command)}
_FIELDS = {
    name: tuple(field for field in msgspec.structs.fields(command) if field.name != "id")
    for name, command in _COMMANDS.items()
}

_TYPES = {"`str`": "a string", "`int`": "a whole number", "`bool`": "true or false", "`object`": "an object"}
"""What msgspec expects, in words."""

Parsed: TypeAlias = Mapping[str, Any]


class CommandRefused(LocalError):
    """A text that is no command of ours, and what the desk is told about it.

    `silent`: a name that the reference only logged; no Error event for it, only a failed commandResult.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        action: str | None = None,
        id: str | None = None,
        dialog_id: str | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__(f"{failure.code} {action or ''}".rstrip())
        self.failure = failure
        self.action = action
        self.id = id
        self.dialog_id = dialog_id
        self.silent = silent

    def result(self) -> CommandResult | None:
        """The failed commandResult; None where none was asked for."""
        return None if self.id is None else _failed(self.id, self.action, self.failure, self.dialog_id)


def decode_command(text: str | bytes, *, password_optional: bool = False) -> Command:
    """The command in a text; raises `CommandRefused`.

    `password_optional`: a login needs none, because the gateway knows by a token who connects.
    """
    envelope = _object(text)
    name, parameter = envelope.get("action"), envelope.get("parameter")
    command_id = envelope.get("id")
    if command_id is not None and not (isinstance(command_id, str) and 0 < len(command_id) <= MAX_ID):
        action = name if isinstance(name, str) else None
        refused = _wrong_parameter(f"id must be a string of 1 to {MAX_ID} characters")
        raise CommandRefused(refused, action=action, dialog_id=_dialog_id(parameter))
    if not isinstance(name, str) or len(name) > MAX_ACTION:
        text = f"action must be a string of at most {MAX_ACTION} characters"
        raise CommandRefused(failure("invalid-command", text), id=command_id)
    if parameter is None:
        parameter = {}
    if not isinstance(parameter, dict):
        raise CommandRefused(_wrong_parameter("parameter must be an object"), action=name, id=command_id)
    try:
        return _command(name, parameter, command_id, password_optional)
    except _Wrong as wrong:
        raise CommandRefused(
            wrong.failure,
            action=name,
            id=command_id,
            dialog_id=_dialog_id(parameter),
            silent=wrong.failure.code == "not-supported",
        ) from None


class _Wrong(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


def _object(text: str | bytes) -> Parsed:
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > MAX_COMMAND_BYTES:
            raise CommandRefused(failure("too-large"))
        envelope = msgspec.json.decode(data)
    except RecursionError:
        raise CommandRefused(failure("invalid-json", "the JSON is nested too deeply")) from None
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise CommandRefused(failure("invalid-json", f"the text is not JSON: {problem}")) from None
    if not isinstance(envelope, dict):
        raise CommandRefused(failure("invalid-command"))
    return envelope


def _command(name: str, parameter: Parsed, command_id: str | None, password_optional: bool) -> Command:
    kind = _COMMANDS.get(name)
    if kind is None:
        if name in NOT_OURS:
            raise _Wrong(failure("not-supported", f"{name} is not supported"))
        raise _Wrong(failure("unknown-action", f"unknown action {name}"))
    given = {
        field.name: parameter[field.name]
        for field in _FIELDS[name]
        if parameter.get(field.name) is not None and (not field.required or parameter[field.name] != "")
    }
    if kind is Login and (password_optional or given.get("token")):
        given.setdefault("password", "")
    missing = [field.name for field in _FIELDS[name] if field.required and field.name not in given]
    if kind is Resume and not (given.get("password") or given.get("token") or password_optional):
        missing.append("password")
    if missing:
        raise _Wrong(missing_parameters(missing))
    try:
        command: Command = msgspec.convert({**given, "id": command_id, "action": name}, kind, strict=True)  # type: ignore[assignment]
    except msgspec.ValidationError as problem:
        raise _Wrong(_wrong_parameter(_in_words(str(problem), name))) from None
    return command


def _wrong_parameter(text: str) -> Failure:
    return failure("invalid-parameter", text, text)


def _in_words(problem: str, action: str) -> str:
    """What msgspec says is wrong with a parameter, for people: what it must be."""
    name = problem.rpartition("`$.")[2].rstrip("`")
    at = f" - at `parameter.{name}`"
    if "regex" in problem and name in CHARACTERS:
        what = f"the names in {name}" if "`key`" in problem else name
        return f"{what} may only have {CHARACTERS[name]}{at}"
    allowed = next((get_args(field.type) for field in _FIELDS[action] if field.name == name), ())
    if problem.startswith("Invalid enum value"):
        return f"{name} must be {' or '.join(map(str, allowed))}{at}"
    expected, _, got = problem.partition(", got ")
    if got and expected.removeprefix("Expected ") in _TYPES:
        return f"{name} must be {_TYPES[expected.removeprefix('Expected ')]}{at}"
    return problem.replace("`$.", "`parameter.")


def _dialog_id(parameter: object) -> str | None:
    found = parameter.get("dialogId") if isinstance(parameter, dict) else None
    return found if isinstance(found, str) and len(found) <= 256 else None


def encode(message: ToDesk) -> str:
    """One line of JSON text."""
    return msgspec.json.encode(message).decode()


def refusal(refused: CommandRefused, login_id: str, now: Now, utc_offset: float) -> list[ToDesk]:
    """What a connection that has no agent is told about a text that is no command."""
    told: list[ToDesk] = []
    if not refused.silent:
        told.append(error(login_id, refused.failure, refused.dialog_id, now.wall, utc_offset))
    result = refused.result()
    return told if result is None else [*told, result]


def failed(command: Command, why: Failure, dialog_id: str | None = None) -> CommandResult | None:
    """The failed commandResult of a command; None where it did not ask for one."""
    return None if command.id is None else _failed(command.id, command.action, why, dialog_id)


def not_logged_in(command: Command, now: Now, utc_offset: float) -> list[ToDesk]:
    """What a connection that has no agent is told about a command that needs one."""
    # The reference's logout alone begins with a capital (RB §3.2).
    verb = "Invalid" if command.action == "logout" else "invalid"
    why = failure("not-logged-in", f"{verb} action {command.action}")
    dialog_id = getattr(command, "dialogId", None)
    told: list[ToDesk] = [error("", why, dialog_id, now.wall, utc_offset)]
    result = failed(command, why, dialog_id)
    return told if result is None else [*told, result]


def _failed(command_id: str, action: str | None, why: Failure, dialog_id: str | None) -> CommandResult:
    return CommandResult(
        id=command_id, action=action, status="failed", error=result_error(why, dialog_id), dialogId=dialog_id
    )
