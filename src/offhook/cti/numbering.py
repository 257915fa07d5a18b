"""Which numbers may be dialled: contract §7. A number becomes the user part of a URI, so it is checked before."""

from __future__ import annotations

import re

from offhook.cti.errors import Failure, failure

# The user characters of RFC 3261 §25.1 without `;` and `?`, which begin parameters and headers; and `#`, to be escaped.
_NUMBER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,/#]{1,64}")
# What may stand in a header of ours: no control characters, so that none can end the line.
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,128}")


def refuse_number(number: str, monitoring_prefix: str) -> Failure | None:
    """Why this number is not dialled; None where it may be.

    Numbers with the monitoring prefix would listen to other agents' calls, so only silentMonitor makes them.
    """
    if _NUMBER.fullmatch(number) is None:
        return failure("invalid-number", f"Invalid target Uri:{number}")
    return _refuse_monitoring(number, monitoring_prefix)


def _refuse_monitoring(number: str, prefix: str) -> Failure | None:
    """Separators do not hide the prefix: a server that leaves them out would still see it (RFC 3966 §5.1.1)."""
    if prefix and (number.startswith(prefix) or _bare(number).startswith(_bare(prefix) or "\0")):
        return failure("monitoring-number", f"Invalid target Uri:{number}")
    return None


def _bare(number: str) -> str:
    return "".join(character for character in number.lower() if character.isalnum() or character in "*#")


def refuse_text(name: str, value: str, monitoring_prefix: str = "") -> Failure | None:
    """Why the value of a parameter cannot go into a header; None where it may. With a prefix: where it is a number."""
    if _TEXT.fullmatch(value) is None:
        text = f"{name} has characters that cannot be sent - at `parameter.{name}`"
        return failure("invalid-parameter", text, text)
    return _refuse_monitoring(value, monitoring_prefix)
