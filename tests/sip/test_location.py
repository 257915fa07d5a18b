"""Where a server is: URLs, RFC 3263 from records to targets, RFC 2782's weights, and what is remembered of failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.errors import LocalError
from offhook.sip.location import (
    MAX_RECORDS,
    MAX_TARGETS,
    Location,
    Naptr,
    Question,
    Record,
    Reputation,
    Srv,
    Target,
    is_address,
    join,
    parse_server,
    weigh,
)
from offhook.testing.clock import SeededIds

Zone = Mapping[tuple[str, str], Sequence[Record]]


def locate(url: str, zone: Zone) -> tuple[list[str], list[tuple[str, str]]]:
    """URLs of the targets, and what was asked, in order; what is not in the zone is not there."""
    location = Location(parse_server(url), lambda: 0.0)
    asked: list[tuple[str, str]] = []
    while location.targets is None:
        questions = location.outputs()
        assert questions, "it waits for something that it did not ask"
        for question in questions:
            asked.append((question.kind, question.name))
            location.receive(question, zone.get((question.kind, question.name), ()))
    assert location.outputs() == []
    return [target.url for target in location.targets], asked


@pytest.mark.parametrize(
    ("url", "targets"),
    [
        ("udp:192.0.2.1:5070", ["udp:192.0.2.1:5070"]),
        ("tcp:192.0.2.1", ["tcp:192.0.2.1:5060"]),
        ("tls:[2001:db8::1]", ["tls:[2001:db8::1]:5061"]),
        ("sip:192.0.2.1", ["udp:192.0.2.1:5060"]),
        ("sips:192.0.2.1", ["tls:192.0.2.1:5061"]),
        ("sip:192.0.2.1:5070;transport=tcp", ["tcp:192.0.2.1:5070"]),
        ("sip:192.0.2.1;transport=TLS", ["tls:192.0.2.1:5061"]),
        ("sips:192.0.2.1;transport=tcp", ["tls:192.0.2.1:5061"]),
        ("tls:192.0.2.1;name=example.org", ["tls:192.0.2.1:5061;name=example.org"]),
    ],
)
def test_an_address_needs_no_question(url: str, targets: list[str]) -> None:
    assert locate(url, {}) == (targets, [])


@pytest.mark.parametrize(
    ("url", "targets"),
    [
        ("udp:example.org:5070", ["udp:192.0.2.1:5070", "udp:[2001:db8::1]:5070"]),
        ("sip:example.org:5060", ["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]),
        ("sips:example.org:5061", [f"tls:{at}:5061;name=example.org" for at in ("192.0.2.1", "[2001:db8::1]")]),
    ],
)
def test_a_port_needs_no_service_records(url: str, targets: list[str]) -> None:
    zone = {("address", "example.org"): ["192.0.2.1", "2001:db8::1"]}
    assert locate(url, zone) == (targets, [("address", "example.org")])


def test_the_example_of_rfc_3263() -> None:
    """Section 4.1 and 4.2: NAPTR offers TLS, TCP, UDP in this order."""
    zone: Zone = {
        ("NAPTR", "example.com"): [
            Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
            Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
            Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
        ],
        ("SRV", "_sips._tcp.example.com"): [
            Srv(1, 1, 5061, "server2.example.com"),
            Srv(0, 1, 5061, "server1.example.com"),
        ],
        ("address", "server1.example.com"): ["192.0.2.1"],
        ("address", "server2.example.com"): ["192.0.2.2"],
    }
    assert locate("sip:example.com", zone) == (
        [f"tls:192.0.2.{number}:5061;name=example.com" for number in (1, 2)],
        [
            ("NAPTR", "example.com"),
            ("SRV", "_sips._tcp.example.com"),
            ("address", "server1.example.com"),
            ("address", "server2.example.com"),
        ],
    )


def test_of_one_order_naptr_records_go_by_preference_and_others_are_left_out() -> None:
    zone: Zone = {
        ("NAPTR", "example.com"): [
            Naptr(10, 1, "s", "SIP+D2W", "_sip._ws.example.com"),
            Naptr(10, 2, "u", "SIP+D2T", "flag.example.com"),
            Naptr(10, 3, "s", "SIP+D2T", "regexp.example.com", "!.*!sip:a@b!"),
            Naptr(10, 4, "s", "SIP+D2T", ""),
            Naptr(20, 9, "S", "sip+d2u", "udp.example.com"),
            Naptr(20, 5, "s", "SIP+D2T", "tcp.example.com"),
            Naptr(30, 1, "s", "SIPS+D2T", "later.example.com"),
        ],
        ("SRV", "udp.example.com"): [Srv(0, 0, 5060, "192.0.2.1")],
        ("SRV", "tcp.example.com"): [Srv(9, 0, 5070, "192.0.2.2")],
    }
    targets, asked = locate("sip:example.com", zone)
    assert targets == ["tcp:192.0.2.2:5070", "udp:192.0.2.1:5060"]
    assert asked[1:] == [("SRV", "tcp.example.com"), ("SRV", "udp.example.com")]


USUAL = [("SRV", f"{prefix}.example.com") for prefix in ("_sips._tcp", "_sip._tcp", "_sip._udp")]


@pytest.mark.parametrize("naptr", [[], [Naptr(1, 1, "s", "SIP+D2U", "nowhere.example.com")]], ids=["none", "dangling"])
def test_without_naptr_all_transports_are_looked_for_the_safest_first(naptr: list[Record]) -> None:
    zone: Zone = {
        ("NAPTR", "example.com"): naptr,
        ("SRV", "_sip._udp.example.com"): [Srv(0, 0, 5060, "a.example.com")],
        ("SRV", "_sip._tcp.example.com"): [Srv(0, 0, 5060, "a.example.com"), Srv(0, 0, 5060, "a.example.com")],
        ("SRV", "_sips._tcp.example.com"): [Srv(5, 0, 5061, "gone.example.com")],
        ("address", "a.example.com"): ["192.0.2.1"],
    }
    targets, asked = locate("sip:example.com", zone)
    assert targets == ["tcp:192.0.2.1:5060", "udp:192.0.2.1:5060"]
    assert asked[-5:] == [*USUAL, ("address", "gone.example.com"), ("address", "a.example.com")]


@pytest.mark.parametrize(
    ("url", "services", "target"),
    [
        ("sip:example.com", [("NAPTR", "example.com"), *USUAL], "udp:192.0.2.1:5060"),
        ("sips:example.com", USUAL[:1], "tls:192.0.2.1:5061;name=example.com"),
        ("tls:example.com", USUAL[:1], "tls:192.0.2.1:5061;name=example.com"),
        ("tcp:example.com", USUAL[1:2], "tcp:192.0.2.1:5060"),
        ("sip:example.com;transport=udp", USUAL[2:], "udp:192.0.2.1:5060"),
    ],
)
def test_without_service_records_the_host_itself_is_the_server(
    url: str, services: list[tuple[str, str]], target: str
) -> None:
    zone = {("address", "example.com"): ["192.0.2.1"]}
    assert locate(url, zone) == ([target], [*services, ("address", "example.com")])


def test_a_domain_may_say_that_it_has_no_sip() -> None:
    zone: Zone = {("SRV", "_sip._tcp.example.com"): [Srv(0, 0, 0, "")], ("address", "example.com"): ["192.0.2.1"]}
    assert locate("tcp:example.com", zone)[0] == []


def test_nothing_at_all() -> None:
    assert locate("sip:example.com", {})[0] == []


def test_the_answers_of_another_kind_and_strays_are_dropped() -> None:
    location = Location(parse_server("sip:example.com"), lambda: 0.0)
    [question] = location.outputs()
    location.receive(Question("SRV", "example.com"), [Srv(0, 0, 1, "192.0.2.1")])
    assert location.outputs() == []
    location.receive(question, [Srv(0, 0, 1, "192.0.2.1"), "192.0.2.1"])
    services = location.outputs()
    location.receive(question, [Naptr(0, 0, "s", "SIP+D2U", "x")])
    assert [one.name for one in services] == [name for _, name in USUAL]
    for one in services:
        location.receive(one, ["192.0.2.1"])
    [host] = location.outputs()
    location.receive(host, [Srv(0, 0, 1, "192.0.2.1")])
    assert location.targets == ()


def test_what_is_looked_at_is_bounded() -> None:
    zone: Zone = {
        ("SRV", "_sip._tcp.example.com"): [Srv(0, 0, port, "a.example.com") for port in range(1, 1000)],
        ("address", "a.example.com"): [f"192.0.2.{number}" for number in range(256)],
    }
    targets, _ = locate("tcp:example.com", zone)
    assert len(targets) == MAX_TARGETS
    assert locate("tcp:example.com", {**zone, ("address", "a.example.com"): ["192.0.2.1"]})[0][-1].endswith(
        f":{MAX_RECORDS}"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ws://example.org",
        "sip:",
        "sip:1000@example.org",
        "sip:example.org?X=1",
        "sip:example.org:0",
        "sip:example.org:99999",
        "sip:example.org:5060/path",
        "sip:exa mple.org",
        "sip:example.org;transport=ws",
        "sips:example.org;transport=udp",
        "tcp:example.org;transport=udp",
        "udp:[::1",
    ],
)
def test_wrong_urls_are_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(LocalError, match="Give udp:HOST:PORT"):
        parse_server(url)


def test_urls() -> None:
    assert parse_server("TCP://Example.org:5070").where == "Example.org:5070"
    assert parse_server("sip:example.org").where == "example.org"
    server = parse_server("tls:[::1]:5061;name=[::2]")
    assert (server.host, server.name, server.numeric, server.direct) == ("::1", "::2", True, True)
    assert join("::1") == "[::1]"
    assert not is_address("1.2.3")


@given(st.sampled_from(["UDP", "TCP", "TLS"]), st.ip_addresses(), st.integers(1, 65535), st.sampled_from(["", "a.b"]))
def test_the_url_of_a_target_says_all(transport: str, address: object, port: int, name: str) -> None:
    target = Target(transport, str(address), port, name if transport == "TLS" and name else str(address))  # type: ignore[arg-type]
    server = parse_server(target.url)
    assert (server.transport, server.host, server.port, server.name) == (
        target.transport,
        target.address,
        target.port,
        target.name,
    )


def test_weights_are_shares_of_chance() -> None:
    records = [Srv(0, 60, 1, "a"), Srv(0, 30, 1, "b"), Srv(0, 10, 1, "c"), Srv(0, 0, 1, "never"), Srv(9, 100, 1, "z")]
    ids = SeededIds(1)
    firsts: Counter[str] = Counter()
    for _ in range(10_000):
        ordered = weigh(records, ids.fraction)
        assert sorted(one.target for one in ordered) == ["a", "b", "c", "never", "z"]
        assert ordered[-1].target == "z"
        firsts[ordered[0].target] += 1
    for target, share in (("a", 60), ("b", 30), ("c", 10), ("never", 1)):
        assert abs(firsts[target] / 100 - share) < 2


SRV = st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.just(5060), st.sampled_from(["a", "b", "c"]))


@given(st.lists(SRV, max_size=20), st.floats(0, 1, exclude_max=True))
def test_no_record_is_lost_and_priorities_are_kept(records: list[Srv], fraction: float) -> None:
    ordered = weigh(records, lambda: fraction)
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


def test_what_failed_lately_is_tried_last() -> None:
    a, b, c = (Target("UDP", f"192.0.2.{number}", 5060, "example.org") for number in (1, 2, 3))
    reputation = Reputation()
    reputation.blame(a, 10.0)
    reputation.blame(b, 11.0)
    assert reputation.order([a, b, c], 12.0) == [c, a, b]
    reputation.blame(a, 12.0)
    assert reputation.order([a, b, c], 12.0) == [c, b, a]
    reputation.praise(b)
    assert reputation.order([a, b, c], 12.0) == [b, c, a]
    assert reputation.order([a, b, c], 12.0 + Reputation.FORGIVEN_AFTER) == [a, b, c]


def test_a_long_memory_is_bounded() -> None:
    targets = [Target("UDP", "192.0.2.1", port, "") for port in range(Reputation.MAX_BLAMED + 1)]
    reputation = Reputation()
    for target in targets:
        reputation.blame(target, 0.0)
    assert reputation.order(targets[:2], 0.0) == targets[:2]
    assert reputation.order(targets[1:3], 0.0) == targets[1:3]
    reputation.praise(targets[2])
    assert reputation.order(targets[1:3], 0.0) == [targets[2], targets[1]]
