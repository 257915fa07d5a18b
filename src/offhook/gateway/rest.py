"""REST for programs of the back office, with bearer tokens: what is asked, by whom, and what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct

from offhook.cti.commands import Command, MakeCall, ReleaseCall
from offhook.cti.events import CommandResult, ResultError, ToDesk
from offhook.gateway.interface import Instruct, Token, TokenRefused
from offhook.gateway.openapi import BASE, OPERATIONS, PROBLEMS, Operation, document, page
from offhook.gateway.resources import (
    Agents,
    AgentView,
    Calls,
    CallsQuery,
    DialogId,
    Extension,
    HistoryQuery,
    Problem,
    Records,
    StartCall,
    Started,
)

if TYPE_CHECKING:
    from offhook.gateway.app import Station

logger = logging.getLogger(__name__)

MAX_BODY = 16 * 1024
BODY_SECONDS = 10.0
OUTCOME_SECONDS = 45.0
MAX_PENDING = 1000


class Refused(Exception):
    """A request that is answered by a problem."""

    def __init__(
        self, status: int, code: str, detail: str, *, field: str | None = None, remedy: str | None = None
    ) -> None:
        self.problem = Problem(
            title=PROBLEMS[status], status=status, code=code, detail=detail, field=field, remedy=remedy
        )


def answer(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """A problem as the answer."""
    more = dict(headers or {})
    if problem.status == 401:
        more["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(problem)
    return web.Response(body=body, status=problem.status, content_type="application/problem+json", headers=more)


def bearer(request: web.Request) -> str:
    """The token that a request came with; empty: none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Rest:
    """The routes; and, for the station, who hears what became of the commands they gave."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._pending: dict[str, asyncio.Future[CommandResult]] = {}
        self._serial = 0
        self._document = msgspec.json.encode(document())
        self._page = page()
        station.serve_program(self)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        does: dict[str, Callable[[web.Request, Token, Any], Awaitable[Struct | None]]] = {
            "listAgents": self._list_agents,
            "readAgent": self._read_agent,
            "startCall": self._start_call,
            "hangUp": self._hang_up,
            "listCalls": self._list_calls,
            "readHistory": self._read_history,
        }
        for operation in OPERATIONS:
            handler = self._handler(operation, does[operation.name])
            router.add_route(operation.method, BASE + operation.path, handler)
        router.add_get("/api/openapi.json", self._openapi)
        router.add_get("/api/", self._read_page)

    # For the station

    def tell(self, message: ToDesk, text: str) -> None:
        if isinstance(message, CommandResult):
            waiting = self._pending.get(message.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    def close(self, code: int, reason: str) -> None:
        for waiting in self._pending.values():
            waiting.cancel()

    # Requests

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.Response(body=self._document, content_type="application/json")

    async def _read_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    def _handler(
        self, operation: Operation, do: Callable[[web.Request, Token, Any], Awaitable[Struct | None]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                token = self.authorize(request)
                _check_path(request)
                if operation.acts and token.role != "service" and token.extension != request.match_info["extension"]:
                    raise _forbidden(token)
                given: Any = _query(request, operation.query)
                if operation.takes is not None:
                    given = await _body(request, operation.takes)
                made = await do(request, token, given)
            except Refused as refused:
                return answer(refused.problem)
            if made is None:
                return web.Response(status=operation.status)
            headers = {"Cache-Control": "no-store"}
            body = msgspec.json.encode(made)
            return web.Response(body=body, status=operation.status, content_type="application/json", headers=headers)

        return handle

    def authorize(self, request: web.Request) -> Token:
        """Whose token it is. Raises `Refused`."""
        if self._station.keys is None:
            remedy = "Start the gateway with --token-key and --token-issuer"
            raise Refused(401, "no-token-keys", "This gateway takes no tokens.", remedy=remedy)
        text = bearer(request)
        if not text:
            remedy = "Send a token as `Authorization: Bearer ...`"
            raise Refused(401, "token-required", "There is no token.", field="Authorization", remedy=remedy)
        try:
            return self._station.keys.check(text, time.time())
        except TokenRefused as refused:
            logger.warning("= a token for REST was refused: %s", refused)
            detail, remedy = f"The token is refused: {refused}.", "Get a new one from its issuer"
            raise Refused(401, "token-refused", detail, field="Authorization", remedy=remedy) from None

    def _agents(self, token: Token) -> list[AgentView]:
        """Those that the token may see."""
        agents = self._station.hub.agent_views(token.tenant)
        return [agent for agent in agents if token.role != "agent" or agent.extension == token.extension]

    def _agent(self, request: web.Request, token: Token) -> AgentView:
        extension = request.match_info["extension"]
        for agent in self._agents(token):
            if agent.extension == extension:
                return agent
        detail, remedy = "There is no such agent here, logged in and of your tenant.", "List the agents"
        raise Refused(404, "unknown-agent", detail, field="extension", remedy=remedy)

    async def _list_agents(self, request: web.Request, token: Token, given: Any) -> Struct:
        return Agents(agents=self._agents(token))

    async def _read_agent(self, request: web.Request, token: Token, given: Any) -> Struct:
        return self._agent(request, token)

    async def _list_calls(self, request: web.Request, token: Token, given: CallsQuery) -> Struct:
        agents = self._agents(token)
        wanted = given.extension
        return Calls(calls=[call for one in agents if wanted in (UNSET, one.extension) for call in one.calls])

    async def _read_history(self, request: web.Request, token: Token, given: HistoryQuery) -> Struct:
        extension = None if given.extension is UNSET else given.extension
        if token.role == "agent":
            if extension not in (None, token.extension):
                raise _forbidden(token)
            extension = token.extension
        before = None if given.before is UNSET else given.before
        return Records(calls=self._station.hub.history.read(token.tenant, extension, given.limit, before))

    async def _start_call(self, request: web.Request, token: Token, given: StartCall) -> Struct:
        extension = self._agent(request, token).extension
        command = MakeCall(
            id=self._new_id(), calledNumber=given.number, Destination_Number=given.number, callType=given.callType
        )
        result = await self._instruct(extension, token, command)
        return Started(id=result.dialogId, extension=extension)

    async def _hang_up(self, request: web.Request, token: Token, given: Any) -> None:
        agent, dialog = self._agent(request, token), request.match_info["id"]
        if not any(call.id == dialog for call in agent.calls):
            raise Refused(404, "unknown-dialog", "The agent has no such call.", field="id", remedy="List its calls")
        await self._instruct(agent.extension, token, ReleaseCall(id=self._new_id(), dialogId=dialog))

    def _new_id(self) -> str:
        self._serial += 1
        return f"rest-{self._serial}"

    async def _instruct(self, extension: str, token: Token, command: Command) -> CommandResult:
        """Give the command, and wait for what becomes of it. Raises `Refused` where it failed."""
        assert command.id is not None
        if len(self._pending) >= MAX_PENDING:
            raise Refused(503, "busy", "Too many requests wait for their outcome.", remedy="Try again")
        waiting: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._pending[command.id] = waiting
        try:
            self._station.put(Instruct(extension, token.tenant, command))
            result = await asyncio.wait_for(waiting, OUTCOME_SECONDS)
        except TimeoutError:
            raise Refused(504, "timeout", "The outcome did not become known in time.") from None
        except asyncio.CancelledError:
            if not waiting.cancelled():
                raise
            raise Refused(503, "stopping", "The gateway is being stopped.") from None
        finally:
            del self._pending[command.id]
        if result.error is not None:
            raise _failed(result.error)
        return result


_STATUS = {
    "not-logged-in": (404, "extension"),
    "unknown-dialog": (404, "id"),
    "invalid-number": (422, "number"),
    "monitoring-number": (422, "number"),
    "invalid-parameter": (422, "number"),
    "agent-too-fast": (429, None),
    "timeout": (504, None),
}


def _failed(error: ResultError) -> Refused:
    status, field = _STATUS.get(error.code, (503 if error.type == "networkIssue" else 409, None))
    return Refused(status, error.code, error.description, field=field)


def _forbidden(token: Token) -> Refused:
    remedy = "Use a token with role service"
    return Refused(403, "not-allowed", f"Role {token.role} may do this for its own extension alone.", remedy=remedy)


def _check_path(request: web.Request) -> None:
    for name, kind in (("extension", Extension), ("id", DialogId)):
        if name in request.match_info:
            _convert(request.match_info[name], kind, name)


def _query(request: web.Request, kind: type[Struct]) -> Struct:
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise Refused(
                422, "invalid-parameter", "A parameter is there twice.", field=name[:64], remedy="Give it once"
            )
        given[name] = value
    made: Struct = _convert(given, kind, "query")
    return made


def _convert(given: object, kind: Any, field: str) -> Any:
    """What a text of a request means. Raises `Refused`."""
    try:
        return msgspec.convert(given, kind, strict=False)
    except (msgspec.ValidationError, UnicodeError, OverflowError) as error:
        raise _invalid(str(error), field) from None


def _invalid(problem: str, field: str) -> Refused:
    said, _, place = problem.partition(" - at `$")
    named = place.lstrip(".").rstrip("`") or field
    remedy = f"See {BASE.removesuffix('/v1')}/openapi.json"
    return Refused(422, "invalid-parameter", said[:300] + ".", field=named[:64], remedy=remedy)


async def _body(request: web.Request, kind: type[Struct]) -> Struct:
    if request.content_type != "application/json":
        remedy = "Send Content-Type: application/json"
        raise Refused(415, "wrong-content-type", "The body is not JSON.", field="Content-Type", remedy=remedy)
    if (request.content_length or 0) > MAX_BODY:
        raise Refused(413, "too-large", f"A body has at most {MAX_BODY} octets.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_chunked(4096):
                body += chunk
                if len(body) > MAX_BODY:
                    raise Refused(413, "too-large", f"A body has at most {MAX_BODY} octets.")
    except TimeoutError:
        raise Refused(400, "too-slow", "The body did not come in time.") from None
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), "body") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused(400, "invalid-json", "The body is not JSON.", field="body", remedy="Send an object") from None
