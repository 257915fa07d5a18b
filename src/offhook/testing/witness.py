"""What sees every message and every command of a test and holds them against the contract.

A `Witness` wraps `codec.encode` and `codec.decode_command`, and hears what each `offhook.testing.desk.Desk` hears: each
message must fit the schema (which here allows no unknown key), each command that is accepted must fit its own, and a
desk of the reference (`offhook.testing.reference_desk`) must understand each stream of events. Violations are kept for
the test that saw them; they tell paths and types, never the number of a caller.
"""

from __future__ import annotations

import json
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from jsonschema_rs import Draft202012Validator, ValidationError

from offhook.cti import codec, schema
from offhook.cti.commands import Command
from offhook.cti.events import ToDesk
from offhook.testing.desk import Desk, Event
from offhook.testing.reference_desk import ReferenceDesk

MAX_KEPT = 20
"""Violations of one test that are told."""


class Encode(Protocol):
    """`codec.encode`."""

    def __call__(self, message: ToDesk) -> str: ...


class Decode(Protocol):
    """`codec.decode_command`."""

    def __call__(self, text: str | bytes, *, password_optional: bool = False) -> Command: ...


class Witness:
    """Sees what is said, and keeps what is wrong with it."""

    def __init__(self) -> None:
        self._messages = validators(schema.messages(closed=True))
        self._commands = {
            optional: validators(schema.commands(password_optional=optional)) for optional in (False, True)
        }
        self._wrong: dict[str, None] = {}
        self._streams: dict[str, _Stream] = {}
        self._desks: WeakKeyDictionary[Desk, ReferenceDesk] = WeakKeyDictionary()
        self._sent: WeakKeyDictionary[Desk, dict[str, str]] = WeakKeyDictionary()

    def violations(self) -> list[str]:
        """What was wrong since the last call; a new test begins."""
        for reader in (*self._desks.values(), *(stream.reader for stream in self._streams.values())):
            self._read(reader)
        wrong = list(self._wrong)
        self._wrong.clear()
        self._streams.clear()
        return wrong

    def message(self, message: Event) -> None:
        """Hold a message to a desk against the schema."""
        name = message.get("event")
        validator = self._messages.get(str(name))
        if validator is None:
            self._keep(f"no message has the name {name!r}")
        else:
            for problem in validator.iter_errors(message):
                self._keep(f"{name}{told(problem)}")

    def command(self, text: str | bytes, password_optional: bool) -> None:
        """Hold a command that was accepted against the schema."""
        envelope = json.loads(text)
        validator = self._commands[password_optional][str(envelope.get("action"))]
        for problem in validator.iter_errors(envelope):
            self._keep(f"{envelope['action']} was accepted, but{told(problem)}")

    def heard(self, desk: Desk, message: Event) -> None:
        """A desk heard this; a command of it that is done now was accepted."""
        self.message(message)
        text = self._sent.get(desk, {}).pop(str(message.get("id")), None)
        if text is not None and message.get("status") == "done":
            self.command(text, True)
        reader = self._desks.get(desk)
        if reader is None:
            reader = self._desks[desk] = ReferenceDesk()
        self._read(reader, message)

    def sent(self, desk: Desk, text: str) -> None:
        """A desk sent this, to a gateway that may be another process."""
        try:
            name = json.loads(text)["id"]
        except (ValueError, TypeError, KeyError):
            return
        self._sent.setdefault(desk, {})[str(name)] = text

    def encoding(self, encode: Encode) -> Encode:
        """`codec.encode`, seen."""

        def encode_seen(message: ToDesk) -> str:
            text = encode(message)
            said = json.loads(text)
            self.message(said)
            self._published(said)
            return text

        return encode_seen

    def decoding(self, decode: Decode) -> Decode:
        """`codec.decode_command`, seen."""

        def decode_seen(text: str | bytes, *, password_optional: bool = False) -> Command:
            command = decode(text, password_optional=password_optional)
            self.command(text, password_optional)
            return command

        return decode_seen

    def install(self) -> None:
        """See all that this process says from now on. To be called before anything imports from `codec`."""
        codec.encode = self.encoding(codec.encode)
        codec.decode_command = self.decoding(codec.decode_command)
        Desk.observers.append(self.heard)
        Desk.senders.append(self.sent)

    def _published(self, message: Event) -> None:
        """A numbered event: a desk that is there from the first to the last one reads it."""
        name, seq = message.get("stream"), message.get("seq")
        if not isinstance(name, str) or not isinstance(seq, int):
            return
        if seq == 1:  # a new stream, one of another network of the same seed, or a desk that begins again
            self._streams[name] = _Stream()
        stream = self._streams.get(name)
        if stream is not None and seq == stream.seq + 1:
            stream.seq = seq
            self._read(stream.reader, message)

    def _read(self, reader: ReferenceDesk, message: Event | None = None) -> None:
        """Have it read a message, or see that it ends well."""
        try:
            reader.finish() if message is None else reader.receive(message)
        except AssertionError as problem:
            self._keep(f"a desk of the reference: {problem}")

    def _keep(self, text: str) -> None:
        if len(self._wrong) < MAX_KEPT:
            self._wrong[text] = None


class _Stream:
    """A stream of events, from its first one."""

    def __init__(self) -> None:
        self.seq = 0
        self.reader = ReferenceDesk()


def validators(document: schema.Json) -> dict[str, Draft202012Validator]:
    """One validator for each alternative of a document, by its action or event name: its errors say what is wrong."""
    shared = {key: document[key] for key in ("$schema", "$defs")}
    names = {ref["$ref"]: document["$defs"][ref["$ref"].removeprefix(schema.DEFS)] for ref in document["oneOf"]}
    return {shape["title"]: Draft202012Validator({**shared, "$ref": ref}) for ref, shape in names.items()}


def told(problem: ValidationError) -> str:
    """Where a value is, what it is, and which rule it breaks; not the value."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.instance_path)
    rule = "/".join(str(part) for part in problem.schema_path)
    return f"{path or ' itself'} is {_kind(problem.instance)}, against {rule}{_keys(problem)}"


def _kind(value: Any) -> str:
    """The JSON type of a value, with its length."""
    if isinstance(value, str):
        return f"string of {len(value)}"
    if isinstance(value, list):
        return f"array of {len(value)}"
    return {dict: "object", bool: "boolean", int: "integer", float: "number"}.get(type(value), "null")


def _keys(problem: ValidationError) -> str:
    """Which keys, where the rule is about keys; names of keys are ours."""
    rule = str(problem.schema_path[-1]) if problem.schema_path else ""
    return f": {problem.message}" if rule in ("required", "additionalProperties") else ""
