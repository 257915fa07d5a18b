"""What all transports share."""

from __future__ import annotations

import pytest

from offhook.transport.base import address, is_keep_alive


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (("127.0.0.1", 5066), "127.0.0.1:5066"),
        (("::1", 5066, 0, 0), "[::1]:5066"),
        (("fe80::1%eth0", 5066, 0, 2), "[fe80::1%eth0]:5066"),
        (None, ""),
        ("/run/socket", ""),
        ((), ""),
    ],
)
def test_addresses(name: object, text: str) -> None:
    assert address(name) == text


@pytest.mark.parametrize(
    ("data", "yes"),
    [(b"", True), (b"\r\n", True), (b"\r\n\r\n", True), (b"\n", True), (b"\0", False), (b"\r\nSIP/2.0 200 OK", False)],
)
def test_keep_alives(data: bytes, yes: bool) -> None:
    assert is_keep_alive(data) is yes
