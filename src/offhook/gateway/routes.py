"""Whose a flow or a media session is: kept from what agents put out, and empty again when they are gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from offhook.errors import StateError
from offhook.media.engine import CloseMedia, CreateAnswer, CreateOffer, EngineEvent, EngineRequest
from offhook.sip.flow import CloseFlow, FlowClosed, FlowFailed, FlowInput, FlowOutput, OpenFlow


@dataclass(frozen=True, slots=True)
class Freed:
    """What an agent left open."""

    media: tuple[str, ...]
    """Sessions, by name."""
    flows: tuple[str, ...]
    """Flows that it has not asked to close, in the order in which it opened them."""


class Routes:
    """By which inputs find their agent, which is named by its extension."""

    def __init__(self) -> None:
        self._flows: dict[str, str] = {}
        self._media: dict[str, str] = {}
        self._flows_of: dict[str, dict[str, bool]] = {}
        """By agent; True: it has asked to close that one."""
        self._media_of: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._flows) + len(self._media)

    def note(self, agent: str, output: FlowOutput | EngineRequest) -> None:
        """An agent puts this out. Raises `StateError` for a flow whose name is in use."""
        match output:
            case OpenFlow(flow):
                if flow in self._flows:
                    raise StateError(f"flow {flow} exists already")
                self._flows[flow] = agent
                self._flows_of.setdefault(agent, {})[flow] = False
            case CloseFlow(flow):
                if flow in self._flows_of.get(agent, {}):
                    self._flows_of[agent][flow] = True
            case CreateOffer() | CreateAnswer():
                self._media[output.media] = agent
                self._media_of.setdefault(agent, set()).add(output.media)
            case CloseMedia(media):
                self._media.pop(media, None)
                self._media_of.get(agent, set()).discard(media)
            case _:
                return  # it opens and closes nothing

    def owner(self, flow: str) -> str | None:
        """Whose flow that is."""
        return self._flows.get(flow)

    def of_flow(self, given: FlowInput) -> str | None:
        """Whose flow says this; None: its agent is gone, these are its last words. A flow that ends is no more then."""
        agent = self._flows.get(given.flow)
        if agent is not None and isinstance(given, FlowClosed | FlowFailed):
            del self._flows[given.flow]
            del self._flows_of[agent][given.flow]
        return agent

    def of_media(self, given: EngineEvent) -> str | None:
        """Whose media session tells this; None: it is closed."""
        return self._media.get(given.media)

    def free(self, agent: str) -> Freed:
        """The agent is gone: what it left open, which leads nowhere from now on."""
        media = sorted(self._media_of.pop(agent, ()))
        flows = self._flows_of.pop(agent, {})
        for name in media:
            del self._media[name]
        for name in flows:
            del self._flows[name]
        return Freed(tuple(media), tuple(flow for flow, closing in flows.items() if not closing))
