"""Who may in, at the development switch."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.doctor import registering
from offhook.doctor.bench import Agent, Bench
from offhook.doctor.findings import CheckEnded, Outcome, Verdict
from offhook.doctor.handset import Handset
from offhook.sip.events import RegistrationFailed
from offhook.sip.fields import Challenge
from offhook.switch.directory import Directory

GOOD = Agent("1000", "1234")


async def outcome(look: Any, url: str, name: str, **options: Any) -> Outcome:
    found = await look(url, name, media="null", **options)
    made: Outcome = found[name].outcome
    return made


async def test_all_is_well(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "digest", "wrong-password", "unproven-call", "one-registration", media="null")
    assert {one.outcome.verdict for one in found.values()} == {Verdict.OK}, found
    assert "MD5" in found["digest"].outcome.seen and "rfc8760" in found["digest"].outcome.notes[0]
    assert "407" in found["unproven-call"].outcome.seen


async def test_no_extension_was_given(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "echo", media="null", agents=())
    assert found["register"].outcome.verdict is Verdict.CANNOT and "--agents" in found["register"].outcome.remedy
    assert found["echo"].outcome.seen == "register cannot be done"


@pytest.mark.parametrize("wrong", [Agent("1001", "wrong"), Agent("7777", "1234")], ids=["password", "user"])
async def test_one_of_several_is_refused(start_switch: Any, look: Any, wrong: Agent) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "register", agents=(GOOD, wrong))
    assert made.verdict is Verdict.FAILED and wrong.extension in made.seen and "its password" in made.remedy


async def test_all_are_refused(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "register", agents=(Agent("1000", "wrong"),))
    assert made.verdict is Verdict.FAILED and "unknown user and an unknown domain" in made.remedy


async def test_the_wrong_domain(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """FreeSWITCH refuses a domain that it does not have as it refuses a wrong password."""
    connect = Handset.connect

    async def connected(handset: Handset, **options: Any) -> Any:
        came = await connect(handset, **options)
        known = handset.line.domain == "127.0.0.1" or not options.get("register", True)
        return came if known else RegistrationFailed(403, "Forbidden", True)

    monkeypatch.setattr(Handset, "connect", connected)
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "register", media="null", agents=(GOOD,), domain="other.example")
    made = found["register"].outcome
    assert made.verdict is Verdict.FAILED and "--domain 127.0.0.1" in made.remedy, made


async def test_a_server_that_asks_nobody(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "WRONG_PASSWORD", "1234")
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "wrong-password")
    assert made.verdict is Verdict.FAILED and "ANYBODY" in made.seen and "accept-blind-reg" in made.remedy


@pytest.mark.parametrize(
    ("challenges", "said"),
    [
        ([], "without a password"),
        ([Challenge("Basic", {"realm": "x"})], "by basic"),
    ],
)
async def test_how_passwords_are_asked_for(
    start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch, challenges: list[Challenge], said: str
) -> None:
    monkeypatch.setattr(registering, "challenges_of", lambda handset: challenges)
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "digest")
    assert made.verdict is Verdict.FAILED and said in made.seen


async def test_another_realm_is_a_note(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = Challenge("Digest", {"realm": "asterisk", "algorithm": "SHA-256"})
    monkeypatch.setattr(registering, "challenges_of", lambda handset: [digest])
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "digest")
    assert made.verdict is Verdict.OK and "--realm asterisk" in made.notes[0]


async def test_a_call_that_is_taken_without_a_password(
    start_switch: Any, open_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = await start_switch(media="null")
    bench: Bench = open_bench(switch.ws_url, media="null")
    await registering.register(bench)
    proven = bench.handsets["1001"]

    async def connected(*_: Any) -> None: ...

    monkeypatch.setattr(bench, "new_handset", lambda *_, **__: proven)
    monkeypatch.setattr(bench, "close_handset", connected)
    monkeypatch.setattr(Handset, "connect", connected)
    with pytest.raises(CheckEnded, match="ANYBODY CAN CALL") as ended:
        await registering.unproven_call(bench)
    assert "auth-calls" in ended.value.outcome.remedy


async def test_users_of_a_file_of_their_own(start_switch: Any, look: Any) -> None:
    users = Directory.parse('[users.2000]\npassword = "a"\n[users.2001]\npassword = "b"')
    switch = await start_switch(media="null", users=users)
    made = await outcome(look, switch.ws_url, "register", agents=(Agent("2000", "a"), Agent("2001", "b")))
    assert made.verdict is Verdict.OK and made.seen.startswith("2000, 2001 for ")
