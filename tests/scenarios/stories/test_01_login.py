"""An agent logs in; a wrong password is told as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seats

pytestmark = pytest.mark.story("01 login")


async def test_in_service_then_login_then_no_dialog(sit: Seats) -> None:
    alice = await sit("1000")
    told = [event["event"] for event in alice.heard if event["event"] != "commandResult"]
    assert told == ["xmppEvent", "agentInfo", "dialogState"]
    assert alice.heard[0]["response"]["type"] == "IN_SERVICE"
    assert [event["response"].get("state") for event in alice.heard if event["event"] == "agentInfo"] == ["LOGIN"]
    assert len([request for request in alice.requests("REGISTER", sent=True) if request.headers.get("Authorization")])


async def test_a_wrong_password(sit: Seats) -> None:
    alice = await sit("1000", log_in=False)
    assert (await alice.attempt("login", extension="1000", password="wrong"))["status"] == "failed"
    await alice.expect("agentInfo", state="LOGOUT")
    error = await alice.expect("Error", type="subscriptionFailed")
    assert error["response"]["description"] == "Invalid Credentials. Please provide valid credentials."
