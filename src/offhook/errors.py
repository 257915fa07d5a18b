"""Every exception of Offhook.

    OffhookError
    ├── LocalError        you called it wrong: a state, an argument, a configuration
    │   ├── ConfigError   a configured value is wrong; names the field and the remedy
    │   └── StateError    the call or the agent cannot do that now
    ├── CommandFailed     a command to an agent or call did not come about; carries the contract's code and detail
    │   ├── LoginRefused  the agent could not log in
    │   └── CallEnded     the call ended before that for which was waited
    ├── MediaError        audio could not be set up or was lost
    └── RemoteError       the peer sent rubbish; carries the SIP status to answer
        └── ParseError    bytes that are no SIP message, header or SDP

Peer input raises `RemoteError` and nothing else; a broken invariant of ours is an `AssertionError`, and a bug.
"""

from __future__ import annotations


class OffhookError(Exception):
    """Root of all errors that Offhook raises on purpose."""


class LocalError(OffhookError):
    """The caller asked for something that cannot be done."""


class ConfigError(LocalError):
    """A configured value is wrong.

    `field` is the name as the user wrote it (a flag or key), `remedy` what it may be.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}. {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class StateError(LocalError):
    """The object is in a state in which that cannot be done."""


class CommandFailed(OffhookError):
    """A command did not come about; `code` is the contract's stable identifier, `detail` a sentence for people."""

    def __init__(self, what: str, code: str, detail: str) -> None:
        super().__init__(f"{what}: {detail} ({code})")
        self.code = code
        self.detail = detail


class LoginRefused(CommandFailed):
    """The agent could not log in."""


class CallEnded(CommandFailed):
    """The call ended before that for which was waited."""


class MediaError(OffhookError):
    """Media could not be set up, or was lost."""


class RemoteError(OffhookError):
    """The peer sent something that cannot be accepted; `status` is the SIP status to answer with."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class ParseError(RemoteError):
    """Bytes that are no SIP message, header value, URI or SDP."""
