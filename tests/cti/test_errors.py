"""The table of errors."""

from __future__ import annotations

from typing import get_args

import pytest

from offhook.cti.errors import (
    CODES,
    INVALID_CREDENTIALS,
    ErrorType,
    failure,
    invalid_action,
    media_failure,
    missing_parameters,
)


def test_every_row_is_complete() -> None:
    for code, row in CODES.items():
        assert row.type in get_args(ErrorType)
        assert row.meaning.endswith("."), code
        assert code == code.lower() and " " not in code


def test_a_failure_has_always_a_description() -> None:
    for code in CODES:
        why = failure(code)
        assert why.description and why.detail
    with pytest.raises(KeyError):
        failure("no-such-code")


def test_strings_that_desks_match() -> None:
    """RB §3.1, §3.5, §3.6: letter for letter."""
    assert INVALID_CREDENTIALS == "Invalid Credentials. Please provide valid credentials."
    assert invalid_action("answerCall").description == "invalid action answerCall"
    assert invalid_action("retrieveCall").description == "invalid action unholdCall"
    assert invalid_action("mute_call").type == "invalidState"
    assert missing_parameters(["a", "b"]).description == (
        "Error: The following parameter(s) are undefined or null or empty: a, b"
    )


def test_engine_failures() -> None:
    assert media_failure("device", "no microphone").code == "media-device"
    assert media_failure("device", "no microphone").description == "no microphone"
    assert media_failure("something new", "").code == "media-internal"
    assert media_failure("timeout", "").description == CODES["media-timeout"].meaning


def test_no_number_in_a_repr() -> None:
    assert "5551234" not in repr(failure("invalid-number", "Invalid target Uri:5551234"))
