"""Who may log in, as a story on the hub: passwords, tokens, one password for all, and the pause after refusals."""

from __future__ import annotations

import pytest

from offhook.clock import Now
from offhook.cti.commands import Login
from offhook.cti.errors import INVALID_CREDENTIALS, Failure
from offhook.cti.settings import AgentSettings
from offhook.gateway.admission import Admission, Proof
from offhook.gateway.interface import HubSettings, Token, TokenRefused

NOW = Now(0.0, 1_800_000_000.0)
AGENT = AgentSettings(servers=("ws://127.0.0.1:5066",), domain="127.0.0.1")


def check(text: str, wall: float) -> Token:
    role, _, extension = text.partition(" ")
    if role in ("agent", "service"):
        return Token(extension, "agent" if role == "agent" else "service", "", wall + 600)
    raise TokenRefused("its signature is wrong")


def admission(**settings: object) -> Admission:
    return Admission(HubSettings(agent=AGENT, check_token=check, **settings))  # type: ignore[arg-type]


def login(password: str = "", token: str | None = None) -> Login:
    return Login(extension="1000", password=password, token=token)


def judged(given: Admission, command: Login, bearer: str = "", at: float = 0.0, address: str = "a") -> str:
    found = given.judge(command, address=address, bearer=bearer, now=Now(at, NOW.wall + at))
    return found.code if isinstance(found, Failure) else f"{found.password or '-'} {found.token is not None}"


def test_passwords_and_tokens() -> None:
    own = admission()
    assert judged(own, login("1234")) == "1234 False"
    assert judged(own, login()) == "missing-parameter"
    assert judged(own, login(token="agent 1000")) == "- True"
    assert judged(own, login("1234", "agent 1000")) == "1234 True"
    assert judged(own, login(), bearer="agent 1000") == "- True"
    assert judged(own, login("1234", "agent 1001")) == "token-refused"
    assert judged(own, login("1234", "service 1000")) == "token-refused"


def test_one_password_for_all_needs_a_token() -> None:
    one = admission(static_password="secret")
    assert judged(one, login("secret")) == "token-required"
    assert judged(one, login("guess", "agent 1000")) == "secret True"
    found = one.judge(login(token="agent 1000"), address="", bearer="", now=NOW)
    assert isinstance(found, Proof) and found.suffices
    assert "secret" not in repr(found)


def test_refusals_slow_one_pair_down() -> None:
    own = admission()
    for _ in range(3):
        assert judged(own, login(token="forged")) == "token-refused"
    refused = own.judge(login("1234"), address="a", bearer="", now=NOW)
    assert isinstance(refused, Failure)
    assert (refused.code, refused.description) == ("login-slowed", INVALID_CREDENTIALS)
    assert "in 1 s" in refused.detail
    assert judged(own, login("1234"), address="b") == "1234 False"
    assert judged(own, login("1234"), at=1.0) == "1234 False"


def test_without_keys_there_are_no_tokens() -> None:
    none = Admission(HubSettings(agent=AGENT))
    assert judged(none, login("1234", "agent 1000")) == "token-refused"
    with pytest.raises(TokenRefused, match="takes none"):
        none.check("agent 1000", NOW)
