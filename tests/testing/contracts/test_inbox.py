"""What an inbox was told, in order and by kind."""

from __future__ import annotations

import pytest

from offhook.sip.flow import FlowAlive, FlowClosed, FlowInput
from offhook.testing.contracts import Inbox


async def test_an_inbox_keeps_the_order_and_names_what_it_got() -> None:
    inbox = Inbox()
    told: list[FlowInput] = [FlowAlive("a"), FlowClosed("a", "gone"), FlowAlive("b")]
    for each in told:
        inbox(each)
    assert await inbox.next(FlowAlive) == told[0]
    assert await inbox.until(FlowAlive) == told[2]
    assert inbox.rest() == []
    inbox(told[1])
    with pytest.raises(AssertionError, match=r"expected FlowAlive, got FlowClosed\(flow='a', reason='gone'\)"):
        await inbox.next(FlowAlive)
    with pytest.raises(AssertionError, match="no FlowAlive came within"):
        await inbox.next(FlowAlive)
    inbox(told[0])
    assert inbox.rest() == [told[0]]
