from __future__ import annotations

import pytest

from offhook.clock import Timers
from offhook.sip.flow import FlowOpened
from offhook.switch.registrar import Binding, Registrar
from offhook.testing.clock import VirtualClock


def binding(user: str, flow: str = "a", call_id: str = "x") -> Binding:
    return Binding(user, f"sip:{user}@abc.invalid;transport=ws", flow, call_id)


class Office:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.registrar = Registrar(self.timers)
        for flow in ("a", "b"):
            self.registrar.opened(FlowOpened(flow, "127.0.0.1:5066", f"127.0.0.1:4000{flow == 'b':d}"))


def test_the_newest_registration_counts() -> None:
    office = Office()
    assert office.registrar.register(binding("1000"), 600, office.clock.now())
    assert not office.registrar.register(binding("1000"), 600, office.clock.now())
    assert office.registrar.register(binding("1000", "b", "y"), 600, office.clock.now())
    found = office.registrar.binding("1000")
    assert found is not None and found.flow == "b" and len(office.registrar) == 1


def test_it_goes_with_its_connection() -> None:
    office = Office()
    office.registrar.register(binding("1000", "a"), 600, office.clock.now())
    office.registrar.register(binding("1001", "b"), 600, office.clock.now())
    office.registrar.closed("a")
    assert office.registrar.binding("1000") is None and office.registrar.binding("1001") is not None
    assert not office.registrar.is_open("a") and office.registrar.remote("b") == "127.0.0.1:40001"
    assert len(office.timers) == 1


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_over_udp_and_tcp_it_outlives_the_connection(transport: str) -> None:
    office = Office()
    office.registrar.opened(FlowOpened("c", "127.0.0.1:5060", "127.0.0.1:40002", transport))
    assert office.registrar.moves("c") and not office.registrar.moves("a") and not office.registrar.moves("none")
    assert office.registrar.loses("c") == (transport == "UDP") and not office.registrar.loses("a")
    office.registrar.register(binding("1000", "c"), 600, office.clock.now())
    office.registrar.closed("c")
    assert office.registrar.binding("1000") is not None and not office.registrar.is_open("c")
    office.clock.run(office.timers, until=660.0)
    assert office.registrar.binding("1000") is None


def test_it_expires_a_minute_late() -> None:
    office = Office()
    office.registrar.register(binding("1000"), 600, office.clock.now())
    office.clock.run(office.timers, until=659.0)
    assert office.registrar.binding("1000") is not None
    office.clock.run(office.timers, until=660.0)
    assert office.registrar.binding("1000") is None


def test_it_is_removed() -> None:
    office = Office()
    office.registrar.register(binding("1000"), 600, office.clock.now())
    office.registrar.remove("1000")
    office.registrar.remove("1000")
    assert len(office.registrar) == 0 and len(office.timers) == 0
