"""The pages of `offhook/web` over HTTP: found by name alone, cached by content, under a strict security policy."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

WEB = Path(__file__).resolve().parent.parent / "web"
"""What is served; it is part of the package."""

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What may be served at all, by the end of its name."""

MAX_FILE_BYTES = 8 << 20
MAX_FILES = 500
"""Files that are kept in memory."""

_SEGMENT = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,99}")
MAX_DEPTH = 6

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Permissions-Policy": (
        "microphone=(self), camera=(self), display-capture=(self), autoplay=(self), speaker-selection=(self), "
        "geolocation=(), payment=(), usb=(), serial=(), hid=()"
    ),
}
"""For every answer of the gateway."""


def content_security_policy(frames: tuple[str, ...] = (), *, scripts: bool = True) -> str:
    """The policy of a page: nothing but what comes from here, no inline script or style, no HTML from texts.

    `frames`: origins that may show the page in a frame, as a CRM does with the desk.
    """
    rules = {
        "default-src": "'none'",
        "script-src": "'self'" if scripts else "'none'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "font-src": "'self'",
        "media-src": "'self' blob: mediastream:",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(("'self'", *frames)),
        "require-trusted-types-for": "'script'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it is served; `tag` names its content."""

    body: bytes = field(repr=False)
    kind: str
    tag: str


class Pages:
    """A folder of pages. A file that is changed on the disk is served anew."""

    def __init__(self, folder: Path = WEB, *, frames: tuple[str, ...] = (), secure: bool = False) -> None:
        """`secure`: browsers are told to come by HTTPS alone from now on."""
        self._folder = folder.resolve()
        self._policy = content_security_policy(frames)
        self._secure = secure
        # Who shows it may also have opened it in a window, and lead that to a link with another token.
        self._cut_off = not frames
        self._held: dict[Path, tuple[tuple[int, int], Page]] = {}

    def find(self, path: str) -> Page | None:
        """The page at a path (decoded, as `/desk/`), or None. Names are checked one by one: no way leads out."""
        segments = path.removeprefix("/").split("/")
        if segments[-1] == "":
            segments[-1] = "index.html"
        if len(segments) > MAX_DEPTH or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            return None
        kind = TYPES.get(Path(segments[-1]).suffix)
        if kind is None:
            return None
        try:
            file = self._folder.joinpath(*segments).resolve(strict=True)
            if not file.is_relative_to(self._folder) or not file.is_file():
                return None  # a link that leads out, or a folder
            return self._read(file, kind)
        except OSError:
            return None

    def _read(self, file: Path, kind: str) -> Page | None:
        stat = file.stat()
        version = (stat.st_mtime_ns, stat.st_size)
        held = self._held.get(file)
        if held is not None and held[0] == version:
            return held[1]
        if stat.st_size > MAX_FILE_BYTES:
            return None
        body = file.read_bytes()
        page = Page(body, kind, hashlib.sha256(body).hexdigest()[:32])
        if len(self._held) < MAX_FILES:
            self._held[file] = (version, page)
        return page

    async def serve(self, request: web.Request) -> web.Response:
        """GET and HEAD of a page; 304 where the browser has this content already."""
        page = self.find(request.path)
        if page is None:
            if request.path == "/" and self.find("/desk/") is not None:
                raise web.HTTPFound("/desk/")
            if not request.path.endswith("/") and self.find(request.path + "/") is not None:
                raise web.HTTPPermanentRedirect(request.path + "/")
            raise web.HTTPNotFound(text="There is no such page.\n")
        headers = self._headers(page, named=request.query.get("v") == page.tag)
        if page.tag in _tags(request.headers.get("If-None-Match", "")):
            return web.Response(status=304, headers=headers)
        return web.Response(body=page.body, headers=headers | {"Content-Type": page.kind})

    def _headers(self, page: Page, *, named: bool) -> dict[str, str]:
        """`named`: the address has the content's tag in it, so that it stays the same for ever."""
        headers = {
            **SECURITY_HEADERS,
            "Content-Security-Policy": self._policy,
            "ETag": f'"{page.tag}"',
            "Cache-Control": "public, max-age=31536000, immutable" if named else "no-cache",
        }
        if page.kind.startswith("text/html"):
            if self._cut_off:  # a page of another origin that opened this window cannot lead it anywhere
                headers["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
        else:
            # A desk of another origin may load the library: it is public, and says nothing of anyone.
            headers |= {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
        if self._secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        return headers


def _tags(text: str) -> set[str]:
    """The tags of an If-None-Match."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in text[:4096].split(",")}
