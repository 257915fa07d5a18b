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
    if monitoring_prefix and number.startswith(monitoring_prefix):
        return failure("monitoring-number", f"Invalid target Uri:{number}")
    return None


def refuse_text(name: str, value: str) -> Failure | None:
    """Why the value of a parameter cannot go into a header; None where it may."""
    if _TEXT.fullmatch(value) is None:
        text = f"{name} has characters that cannot be sent - at `parameter.{name}`"
        return failure("invalid-parameter", text, text)
    return None
