"""Who may log in: by password or by token, and how soon again after a refusal. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from offhook.clock import Now
from offhook.cti.commands import Login, Resume
from offhook.cti.errors import INVALID_CREDENTIALS, Failure, failure, missing_parameters
from offhook.gateway.interface import HubSettings, Token, TokenRefused
from offhook.gateway.rates import Slowing


@dataclass(frozen=True, slots=True)
class Proof:
    """What a login or resume proves, or is to prove."""

    password: str = field(repr=False)
    """For the agent to compare, or to register with; empty: none."""
    token: Token | None = None
    suffices: bool = False
    """Who has it may join also an agent that has not proved its password yet."""


class Admission:
    """Judges logins before any agent is touched."""

    def __init__(self, settings: HubSettings) -> None:
        self._check_token = settings.check_token
        self._static_password = settings.static_password
        self._slowing = Slowing()

    def judge(self, command: Login | Resume, *, address: str, bearer: str, now: Now) -> Proof | Failure:
        """The proof of a login or resume from that address; or why it is refused, which then is counted.

        `bearer`: the token that the connection came with.
        """
        wait = self._slowing.wait(address, command.extension, now)
        if wait > 0:
            text = f"Too many refused logins of this extension from here; try again in {math.ceil(wait)} s."
            return failure("login-slowed", INVALID_CREDENTIALS, text)
        text = command.token or bearer
        if not text:
            if self._static_password is not None:
                return failure("token-required", INVALID_CREDENTIALS)
            return Proof(command.password) if command.password else missing_parameters(["password"])
        try:
            token = self.check(text, now)
            if token.extension != command.extension:
                raise TokenRefused("it names another extension")
        except TokenRefused as refused:
            self.refused(address, command.extension, now)
            return failure("token-refused", INVALID_CREDENTIALS, f"The token is refused: {refused}.")
        if self._static_password is not None:
            return Proof(self._static_password, token, suffices=True)
        return Proof(command.password or "", token)

    def check(self, text: str, now: Now) -> Token:
        """What a token of a desk says. Raises `TokenRefused`."""
        if self._check_token is None:
            raise TokenRefused("this gateway takes none")
        token = self._check_token(text, now.wall)
        if token.role == "service":
            raise TokenRefused("it is for REST alone")
        return token

    def refused(self, address: str, extension: str, now: Now) -> None:
        """The password, or the token, was wrong."""
        self._slowing.refused(address, extension, now)

    def proved(self, address: str, extension: str) -> None:
        self._slowing.proved(address, extension)
