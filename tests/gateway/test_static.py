"""Pages: found by name alone, cached by content, under the policy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from offhook.gateway import static
from offhook.gateway.app import Gateway
from offhook.gateway.static import MAX_DEPTH, Pages, content_security_policy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pages with a secret beside it."""
    (tmp_path / "secret.js").write_text("secret")
    root = tmp_path / "web"
    (root / "desk").mkdir(parents=True)
    (root / "desk" / "index.html").write_text("<!doctype html>")
    (root / "offhook.js").write_text("1")
    (root / ".hidden.js").write_text("2")
    (root / "notes.txt").write_text("3")
    (root / "out.js").symlink_to(tmp_path / "secret.js")
    return root


@pytest.mark.parametrize("path", ["/offhook.js", "/desk/", "/desk/index.html"])
def test_what_is_there(folder: Path, path: str) -> None:
    assert Pages(folder).find(path) is not None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/desk",
        "/../secret.js",
        "/desk/../../secret.js",
        "/..%2fsecret.js",
        "//secret.js",
        "/./offhook.js",
        "/.hidden.js",
        "/notes.txt",
        "/out.js",
        "/offhook.js\x00",
        "/offhook.js/",
        "/desk\\index.html",
        "/" + "a" * 5000 + ".js",
        "/" + "a/" * MAX_DEPTH + "b.js",
        "/é.js",
        "/\udcff.js",
    ],
)
def test_what_is_not(folder: Path, path: str) -> None:
    assert Pages(folder).find(path) is None


def test_a_changed_file_is_served_anew_and_a_large_one_never(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(folder)
    first = pages.find("/offhook.js")
    assert first is not None and pages.find("/offhook.js") is first
    (folder / "offhook.js").write_text("22")
    second = pages.find("/offhook.js")
    assert second is not None and (second.body, second.tag == first.tag) == (b"22", False)
    monkeypatch.setattr(static, "MAX_FILE_BYTES", 2)
    (folder / "offhook.js").write_text("333")
    assert pages.find("/offhook.js") is None


def test_the_policy() -> None:
    policy = content_security_policy(("https://crm.example",))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self' https://crm.example" in policy
    assert "script-src 'none'" in content_security_policy(scripts=False)


@pytest.fixture
async def site(start_gateway: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setattr(static, "WEB", folder)
    gateway: Gateway = await start_gateway(allow_origin=("https://crm.example",))
    return gateway


async def test_pages_are_served_and_cached_by_content(site: Gateway) -> None:
    base = f"http://127.0.0.1:{site.port}"
    async with aiohttp.ClientSession(base) as session:
        async with session.get("/offhook.js") as answer:
            assert (answer.status, await answer.text()) == (200, "1")
            tag = answer.headers["ETag"]
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with session.get("/offhook.js", headers={"If-None-Match": f'W/{tag}, "x"'}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        async with session.get("/offhook.js", params={"v": tag.strip('"')}) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
        async with session.head("/desk/") as answer:
            assert answer.status == 200
            assert "https://crm.example" in answer.headers["Content-Security-Policy"]
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Cross-Origin-Opener-Policy" not in answer.headers
        for path, status, location in (("/", 302, "/desk/"), ("/desk", 308, "/desk/"), ("/no.js", 404, None)):
            async with session.get(path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers.get("Location")) == (status, location)
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with session.post("/offhook.js") as answer:
            assert answer.status == 405


async def test_a_page_that_opened_the_window_cannot_lead_it_anywhere_unless_it_is_let_in(start_gateway: Any) -> None:
    for origins, policy in (((), "same-origin-allow-popups"), (("https://crm.example",), None)):
        gateway = await start_gateway(allow_origin=origins)
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as session,
            session.get("/desk/") as answer,
        ):
            assert answer.status == 200
            assert answer.headers.get("Cross-Origin-Opener-Policy") == policy


@pytest.mark.parametrize("path", ["/../secret.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "/desk/..%5c..%5csecret.js"])
async def test_raw_paths_do_not_lead_out(site: Gateway, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.split()[1] in (b"404", b"400")
    assert b"secret" not in answer
