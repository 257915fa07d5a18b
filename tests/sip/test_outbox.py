from __future__ import annotations

from offhook.sip.flow import CloseFlow, Probe
from offhook.sip.outbox import Outbox


def test_first_in_first_out() -> None:
    box = Outbox()
    assert box.take() is None
    box.put(Probe("a"))
    box.put(CloseFlow("a"))
    assert box.take() == Probe("a")
    box.put(Probe("b"))
    assert box.drain() == [CloseFlow("a"), Probe("b")]
    assert box.drain() == []
