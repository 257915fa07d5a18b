"""What an account is."""

from __future__ import annotations

from offhook.sip.account import Account


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(Account("1001", "example.org", "secret"))
