"""Digits arrive at the other side, in order, and are told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from offhook.testing.desk import until

if TYPE_CHECKING:
    from tests.scenarios.stories.conftest import Seat

pytestmark = pytest.mark.story("17 SendDtmf")


async def test_digits_arrive(alice: Seat, server: Any) -> None:
    asterisk = server.name == "asterisk"
    hers = await alice.dial("9199" if asterisk else "5000")
    await alice.told("dialogState", state="ACTIVE", id=hers)
    if not asterisk:
        await alice.hearing(hers)  # its prompt: FreeSWITCH drops digits that come before it asks
    before = len(await server.digits())
    await alice.do("SendDtmf", dialogId=hers, message="78#" if not asterisk else "78*")
    done = await alice.expect("DTMF")
    assert (done["response"]["type"], done["response"]["dialogId"]) == (1, hers)

    async def arrived() -> bool:
        return bool([digits.rstrip("*") for digits in (await server.digits())[before:]] == ["78"])

    await until(arrived, "78 in the menu")
    assert [request.content_type for request in alice.requests("INFO", sent=True)] == ["application/dtmf-relay"] * 3
    await alice.do("releaseCall", dialogId=hers)
    await alice.quiet("DTMF")
