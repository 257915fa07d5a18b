"""The tree of errors, and what each carries."""

from __future__ import annotations

import pytest

from offhook import errors


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (errors.LocalError, errors.OffhookError),
        (errors.ConfigError, errors.LocalError),
        (errors.StateError, errors.LocalError),
        (errors.MediaError, errors.OffhookError),
        (errors.RemoteError, errors.OffhookError),
        (errors.ParseError, errors.RemoteError),
    ],
)
def test_tree(child: type[Exception], parent: type[Exception]) -> None:
    assert child.__bases__ == (parent,)
    for name in (child.__name__, parent.__name__):
        assert name in (errors.__doc__ or ""), "the tree at the top of the file is the documentation"


def test_a_fault_of_the_peer_is_never_an_assertion() -> None:
    assert not issubclass(errors.RemoteError, AssertionError)
    assert not issubclass(errors.RemoteError, errors.LocalError)


def test_a_configuration_error_names_the_field_and_the_remedy() -> None:
    error = errors.ConfigError("--port", "70000 is no port", "Give 1 to 65535")
    assert str(error) == "--port: 70000 is no port. Give 1 to 65535"
    assert (error.field, error.problem, error.remedy) == ("--port", "70000 is no port", "Give 1 to 65535")


def test_a_remote_error_carries_the_status_to_answer() -> None:
    assert errors.RemoteError("no").status == 400
    assert errors.ParseError("unknown scheme", status=416).status == 416
    assert str(errors.ParseError("unknown scheme", status=416)) == "unknown scheme"
