"""Whose a flow or a media session is, from what agents put out."""

from __future__ import annotations

import pytest

from offhook.errors import StateError
from offhook.gateway.routes import Freed, Routes
from offhook.media.engine import CloseMedia, CreateAnswer, CreateOffer, MediaConnected
from offhook.sip.flow import CloseFlow, FlowClosed, FlowFailed, FlowOpened, FlowReceived, OpenFlow, Send


@pytest.fixture
def routes() -> Routes:
    """Two agents: 1000 has the flows f1, f2 and the media m1, m2; 1001 the flow f3."""
    routes = Routes()
    for output in (
        OpenFlow("f1", "ws://a"),
        OpenFlow("f2", "ws://a"),
        CreateOffer("o1", "m2"),
        CreateOffer("o2", "m1"),
    ):
        routes.note("1000", output)
    routes.note("1001", OpenFlow("f3", "ws://a"))
    return routes


def test_inputs_find_their_agent(routes: Routes) -> None:
    assert [routes.of_flow(FlowOpened(flow, "", "")) for flow in ("f1", "f3", "f4")] == ["1000", "1001", None]
    assert [routes.of_flow(FlowReceived(flow, b"x")) for flow in ("f2", "f3")] == ["1000", "1001"]
    assert [routes.of_media(MediaConnected(media)) for media in ("m1", "m3")] == ["1000", None]
    assert [routes.owner(flow) for flow in ("f1", "f3", "f4")] == ["1000", "1001", None]


def test_what_ends_leads_nowhere(routes: Routes) -> None:
    assert routes.of_flow(FlowClosed("f1", "closed")) == "1000"
    assert routes.of_flow(FlowFailed("f2", "no")) == "1000"
    assert routes.of_flow(FlowClosed("f1", "closed")) is None
    routes.note("1000", CloseMedia("m1"))
    assert routes.of_media(MediaConnected("m1")) is None
    assert len(routes) == 2
    assert routes.free("1000") == Freed(("m2",), ())


def test_a_flow_that_is_to_close_has_its_last_words(routes: Routes) -> None:
    routes.note("1000", CloseFlow("f1"))
    assert routes.of_flow(FlowReceived("f1", b"x")) == "1000"
    assert routes.of_flow(FlowClosed("f1", "closed by us")) == "1000"


def test_what_an_agent_left_open(routes: Routes) -> None:
    routes.note("1000", CloseFlow("f1"))
    assert routes.free("1000") == Freed(("m1", "m2"), ("f2",))
    assert [routes.of_flow(FlowClosed(flow, "closed")) for flow in ("f1", "f2", "f3")] == [None, None, "1001"]
    assert routes.of_media(MediaConnected("m1")) is None
    assert routes.free("1000") == Freed((), ())
    assert len(routes) == 0


def test_an_agent_closes_its_own_flows_alone(routes: Routes) -> None:
    routes.note("1001", CloseFlow("f1"))
    assert routes.free("1000").flows == ("f1", "f2")


def test_what_opens_nothing_is_passed_over(routes: Routes) -> None:
    before = len(routes)
    for output in (Send("f1", b"x"), CloseMedia("m9"), CloseFlow("f9"), CreateAnswer("o3", "m1", "v=0")):
        routes.note("1000", output)
    assert len(routes) == before


def test_a_name_is_used_once(routes: Routes) -> None:
    with pytest.raises(StateError, match="flow f3 exists already"):
        routes.note("1000", OpenFlow("f3", "ws://a"))
    assert routes.owner("f3") == "1001"
