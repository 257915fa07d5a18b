"""`/metrics`: what is counted, who may read it, and that it says nothing of anyone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from offhook.cti.commands import Login
from offhook.cti.errors import Failure, failure
from offhook.cti.events import error
from offhook.gateway.metrics import Tally
from offhook.switch.server import Switch
from offhook.testing.desk import Desk


async def scrape(port: int, **headers: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_numbers(start_gateway: Any, switch: Switch) -> None:
    gateway = await start_gateway(sip=(switch.ws_url,))
    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        await desk.send_text('{"action":"' + "x" * 60 + '"}')
        await desk.expect("Error", code="unknown-action")
        status, text = await scrape(gateway.port)
    assert status == 200
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples[("offhook_agents",)] == 1
    assert samples[("offhook_connections",)] == 1
    assert samples[("offhook_commands_total", "login")] == 1
    assert samples[("offhook_commands_total", "unknown")] == 1
    assert samples[("offhook_command_results_total", "done", "login")] == 1
    assert samples[("offhook_errors_total", "unknown-action")] == 1
    assert ("process_resident_memory_bytes",) in samples
    assert "xxxx" not in text
    assert "1000" not in "".join(str(key) for key in samples)


async def test_numbers_of_the_journal(start_gateway: Any, tmp_path: Path) -> None:
    gateway = await start_gateway(journal=str(tmp_path / "journal"))
    _, text = await scrape(gateway.port)
    names = {line.split()[0] for line in text.splitlines() if line.startswith("offhook_journal")}
    assert names >= {"offhook_journal_ok", "offhook_journal_commits_total", "offhook_journal_late_total"}
    assert "journal" not in (await scrape((await start_gateway()).port))[1]


async def test_a_page_whose_name_leads_to_this_machine_reads_nothing(start_gateway: Any) -> None:
    """Its browser is on this machine, and takes the answer for the page's own."""
    port = (await start_gateway()).port
    for host, status in (("evil.example", 403), ("localhost", 200), ("[::1]", 200), ("127.0.0.1.evil.example", 403)):
        assert (await scrape(port, Host=f"{host}:{port}"))[0] == status, host
        assert (await scrape(port, Host=host))[0] == status, host


async def test_who_may_read(start_gateway: Any, token_options: dict[str, Any], sign: Callable[..., str]) -> None:
    open_one = await start_gateway()
    for header in ("X-Forwarded-For", "Forwarded"):
        assert (await scrape(open_one.port, **{header: "203.0.113.9"}))[0] == 403
    closed = await start_gateway(**token_options)
    assert (await scrape(closed.port))[0] == 401
    assert (await scrape(closed.port, Authorization=f"Bearer {sign('1000')}"))[0] == 403
    assert (await scrape(closed.port, Authorization=f"Bearer {sign(role='service')}"))[0] == 200


def test_labels_are_from_closed_sets() -> None:
    tally = Tally()
    foreign = Failure("generalError", "SOMETHING_A_SERVER_SAID", "", "")
    for why in (foreign, failure("too-fast")):
        tally.told(error("1000", why, None, 0.0, 0.0), 2)
    assert tally.errors == {"server": 1, "too-fast": 1}
    assert tally.messages == {"Error": 4}
    assert "1234" not in repr(Login(extension="1000", password="1234"))
