"""Which numbers may be dialled: contract §7. A number becomes the user part of a URI, so it is checked before."""

from __future__ import annotations

import re

from offhook.cti.errors import TARGET, Failure, failure

# The user characters of RFC 3261 §25.1 without `;` and `?`, which begin parameters and headers; and `#`, to be escaped.
_NUMBER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,/#]{1,64}")
# What a peer may be called that we send something to.
_PEER = re.compile(r"\+?[A-Za-z0-9*#._\-]{1,64}")
# What may stand in a header of ours: no control characters, so that none can end the line.
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,128}")


def refuse_number(number: str, *monitoring_prefixes: str) -> Failure | None:
    """Why this number is not dialled; None where it may be.

    Numbers with a monitoring prefix would listen to other agents' calls, so only silentMonitor makes them.
    """
    if _NUMBER.fullmatch(number) is None:
        return failure("invalid-number", f"{TARGET}{number}")
    return _refuse_monitoring(number, monitoring_prefixes)


def _refuse_monitoring(number: str, prefixes: tuple[str, ...]) -> Failure | None:
    """Separators do not hide the prefix: a server that leaves them out would still see it (RFC 3966 §5.1.1)."""
    for prefix in prefixes:
        if prefix and (number.startswith(prefix) or _bare(number).startswith(_bare(prefix) or "\0")):
            return failure("monitoring-number", f"{TARGET}{number}")
    return None


def reachable(number: str, *monitoring_prefixes: str) -> bool:
    """Whether something may be sent to a number that a peer wrote: a caller's, or a member's of a conference.

    Stricter than for what an agent dials: FreeSWITCH takes what stands before a `+` in the user of a MESSAGE for the
    name of one of its interfaces, `api` among them.
    """
    return _PEER.fullmatch(number) is not None and _refuse_monitoring(number, monitoring_prefixes) is None


def _bare(number: str) -> str:
    return "".join(character for character in number.lower() if character.isalnum() or character in "*#")


def refuse_text(name: str, value: str, *monitoring_prefixes: str) -> Failure | None:
    """Why the value of a parameter cannot go into a header; None where it may. With prefixes: where it is a number."""
    if _TEXT.fullmatch(value) is None:
        text = f"{name} has characters that cannot be sent - at `parameter.{name}`"
        return failure("invalid-parameter", text, text)
    return _refuse_monitoring(value, monitoring_prefixes)
