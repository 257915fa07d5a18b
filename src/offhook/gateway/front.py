"""What holds for every HTTP request: its rate, what its answer says, and problems where REST is asked."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from offhook.driver import system_now
from offhook.gateway import static
from offhook.gateway.interface import Limits
from offhook.gateway.openapi import PROBLEMS
from offhook.gateway.rates import Rates
from offhook.gateway.resources import Problem
from offhook.gateway.rest import answer

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Front:
    """The middleware of the gateway. `address` says where a request comes from."""

    def __init__(
        self, limits: Limits, address: Callable[[web.Request], str], requests: Counter[tuple[str, str]]
    ) -> None:
        self._rates = Rates(limits.requests, limits.requests_per_second)
        self._address = address
        self._requests = requests

    def wrap(self, app: web.Application) -> None:
        @web.middleware
        async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._serve(request, handler)

        app.middlewares.append(serve)
        app.on_response_prepare.append(_secure)

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        method = request.method if request.method in METHODS else "other"
        wait = 0.0 if request.path == "/healthz" else self._rates.take(self._address(request), system_now())
        status = 500
        try:
            if wait:
                made: web.StreamResponse = _too_many(wait)
            else:
                made = await self._handle(request, handler)
            status = made.status
            return made
        except web.HTTPException as refused:
            status = refused.status
            raise
        finally:
            self._requests[method, str(status)] += 1

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        try:
            return await handler(request)
        except web.HTTPException as refused:
            if refused.status < 400:
                raise
            return _problem(refused)
        except Exception:  # broad: a bug on one request, told in the log; the caller gets no trace of it
            logger.exception("a bug: %s failed", request.method)
            return answer(Problem(title=PROBLEMS[500], status=500, code="bug", detail="The gateway failed."))


def _too_many(wait: float) -> web.Response:
    detail = "This address sends too many requests."
    problem = Problem(title=PROBLEMS[429], status=429, code="too-fast", detail=detail, remedy="Wait, then send fewer")
    return answer(problem, {"Retry-After": str(math.ceil(wait))})


def _problem(refused: web.HTTPException) -> web.Response:
    headers = {name: value for name, value in refused.headers.items() if name == "Allow"}
    problem = Problem(
        title=refused.reason,
        status=refused.status,
        code={404: "no-such-path", 405: "wrong-method"}.get(refused.status, "refused"),
        detail=f"This cannot be asked here: {refused.reason}.",
        remedy="See /api/openapi.json",
    )
    return answer(problem, headers)


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says, refusals too; a page says more itself."""
    _set_headers(response)


def _set_headers(response: web.StreamResponse) -> None:
    for name, value in static.SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


class Runner(web.AppRunner):
    """Runs an application; what is no HTTP request is refused without a trace of what it held, which may be a token."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, debug=False, **self._kwargs)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        response: web.StreamResponse
        if isinstance(exc, HttpProcessingError) and request.writer.output_size == 0:
            logger.info("= what is no HTTP request was refused: %s", type(exc).__name__)
            text = "This is no HTTP request, or a header or its path is longer than 8 KiB.\n"
            response = web.Response(status=status, text=text)
            response.force_close()
        else:
            response = super().handle_error(request, status, exc, message)
        _set_headers(response)
        return response
