"""Every view of the desk: what axe-core finds, what hostile texts do to it, how it looks.

Screenshots are written to build/screenshots for people to look at; OFFHOOK_SCREENSHOTS=0 leaves that out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / "build"
SCENES = re.findall(
    r'^  "?([a-z-]+)"?: \[?', (HERE / "gallery.mjs").read_text(encoding="utf-8").split("SCENES = {")[1], re.MULTILINE
)
SIZES = {"wide": (1280, 800), "narrow": (320, 740)}
TURNED = ("login", "several", "consult", "settings")
"""Scenes that are also looked at from right to left."""
AXE = "4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="


async def show(page: Page, base: str, scene: str, **options: str) -> None:
    """One view. The log-in page beneath it lives on and goes by the system's colours: those are to be the view's."""
    await page.emulate_media(color_scheme="dark" if options.get("theme") == "dark" else "light")
    await page.evaluate(
        "async ([base, scene, options]) => (await import(`${base}gallery.mjs`)).show(base, scene, options)",
        [base, scene, options],
    )


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, from its registry by npm, checked by its hash, kept in build/."""
    tarball = BUILD / "axe" / f"axe-core-{AXE}.tgz"
    if not tarball.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core is fetched by npm, which is missing: apt-get install npm")
        tarball.parent.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", f"axe-core@{AXE}", "--pack-destination", str(tarball.parent), "--silent"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tarball.parent)
        if done.returncode:
            pytest.skip(f"axe-core cannot be had: {done.stderr.strip()[-200:]}")
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    assert found == AXE_SHA512, f"{tarball} is not what it should be"
    with tarfile.open(tarball) as package:
        member = package.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


async def violations(page: Page) -> list[str]:
    """What axe finds by the rules of WCAG 2.2 A and AA and its own best practices."""
    found: list[dict[str, Any]] = await page.evaluate(
        """async () => {
            const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
            const { violations } = await axe.run(document, { runOnly: tags });
            const told = (each) => `${each.target} ${each.failureSummary}`;
            return violations.map(({ id, nodes }) => ({ id, nodes: nodes.slice(0, 4).map(told) }));
        }"""
    )
    return [f"{each['id']}: {node}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])
async def test_axe_finds_nothing(blank: Page, pages: str, axe: str, size: str, theme: str) -> None:
    width, height = SIZES[size]
    await blank.set_viewport_size({"width": width, "height": height})
    await blank.evaluate(axe)  # past the page's policy, as a developer's tools go
    wrong = {}
    for scene in SCENES:
        await show(blank, pages, scene, theme=theme)
        if found := await violations(blank):
            wrong[scene] = found
    assert wrong == {}


async def test_axe_finds_nothing_from_right_to_left(blank: Page, pages: str, axe: str) -> None:
    await blank.evaluate(axe)
    wrong = {}
    for scene in TURNED:
        await show(blank, pages, scene, language="ar")
        if found := await violations(blank):
            wrong[scene] = found
    assert wrong == {}


@pytest.mark.parametrize("width", [320, 480, 768, 1024, 1920])
async def test_nothing_is_wider_than_the_window(blank: Page, pages: str, width: int) -> None:
    await blank.set_viewport_size({"width": width, "height": 800})
    wrong = []
    for scene in SCENES:
        await show(blank, pages, scene, language="ar" if scene in TURNED else "en")
        if await blank.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(scene)
    assert wrong == []


async def test_what_is_pressed_is_large_enough(blank: Page, pages: str) -> None:
    """WCAG 2.5.8: 24 by 24 CSS pixels at least."""
    wrong = []
    for width in (320, 1280):
        await blank.set_viewport_size({"width": width, "height": 800})
        for scene in SCENES:
            await show(blank, pages, scene)
            wrong += await blank.evaluate(
                """(scene) => {
                    const fields = "input:not([type=radio], [type=checkbox]), select";
                    const found = document.querySelectorAll(`button, summary, label.check, label.radio, ${fields}`);
                    return [...found].map((each) => [each, each.getBoundingClientRect()])
                        .filter(([each, box]) => box.width && (box.width < 24 || box.height < 24))
                        .map(([each, box]) => `${scene}: ${each.textContent} ${box.width} x ${box.height}`);
                }""",
                scene,
            )
    assert wrong == []


async def test_hostile_texts_are_texts(blank: Page, pages: str) -> None:
    """Markup, overrides of direction, names of 10 kB: shown as text, one line, short, and nothing of it runs."""
    ran: list[str] = []
    blank.on("dialog", lambda dialog: ran.append(dialog.message))
    await show(blank, pages, "hostile")
    assert await blank.locator("#gallery :is(script, img, iframe, style, [onerror])").count() == 0
    text = await blank.locator("#gallery").inner_text()
    assert "<script>alert(1)</script>" in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", text)
    names = await blank.evaluate("[...document.querySelectorAll('bdi')].map((each) => each.textContent.length)")
    assert max(names) < 500
    labels = await blank.evaluate(
        "[...document.querySelectorAll('[aria-label]')].map((each) => each.getAttribute('aria-label').length)"
    )
    assert max(labels) < 200
    assert await blank.evaluate("document.querySelector('.calls').scrollHeight") < 3000
    assert ran == []


async def test_what_is_pressed_says_what_it_is_about(blank: Page, pages: str) -> None:
    """Buttons of a card name the call they belong to, even if an id has quotes in it."""
    await show(blank, pages, "hostile")
    await blank.locator("article[data-phase=ringing] [data-do=answer]").click()
    sent = await blank.evaluate("globalThis.sent.filter((each) => each.do)")
    assert sent == [{"do": "answer", "call": 'x"><script>'}]


@pytest.mark.skipif(os.environ.get("OFFHOOK_SCREENSHOTS") == "0", reason="OFFHOOK_SCREENSHOTS=0")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_screenshots(blank: Page, pages: str, size: str, theme: str) -> None:
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    width, height = SIZES[size]
    await blank.set_viewport_size({"width": width, "height": height})
    for scene in SCENES:
        await show(blank, pages, scene, theme=theme)
        await blank.screenshot(path=folder / f"{scene}-{size}-{theme}.png", full_page=size == "narrow")
    for scene in TURNED:
        await show(blank, pages, scene, theme=theme, language="ar")
        await blank.screenshot(path=folder / f"{scene}-{size}-{theme}-ar.png", full_page=size == "narrow")
