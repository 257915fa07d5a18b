"""Signed tokens (JWT, RFC 7519): which keys there are, and what a token says. Each key has one algorithm.

A token must be signed by a configured key (its `kid` names which; without one there may be but one key), be issued by
the configured issuer for the configured audience, and have an end. Claims of ours:

- `extension`: whose it is. Roles `agent` and `supervisor` must have it.
- `role`: `agent` (default), `supervisor` (may also listen to calls, and read those of its tenant), `service` (a program
  of the back office: no extension, no login, all of its tenant by REST).
- `tenant`: agents and callers see only their own tenant; absent, and empty, is a tenant too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from offhook.config import Config, parse_token_key
from offhook.errors import ConfigError
from offhook.gateway.interface import ROLES, Token, TokenRefused

MAX_TOKEN = 8192
LEEWAY = 30.0
"""Seconds by which clocks may differ: for what is not valid yet, never for what has ended."""
LONGEST = 31 * 86_400.0
"""Seconds from now that the end of a token may be away."""
_EXTENSION = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,/#]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_.@:\-]{1,128}")


@dataclass(frozen=True, slots=True)
class Key:
    """What tokens of one algorithm are checked with."""

    name: str
    algorithm: str
    material: Any = field(repr=False)


class Keys:
    """The configured keys."""

    def __init__(self, keys: tuple[Key, ...], *, issuer: str, audience: str) -> None:
        self._keys = {key.name: key for key in keys}
        self._issuer = issuer
        self._audience = audience

    def check(self, text: str, wall: float) -> Token:
        """What a token says, where it is valid at this time. Raises `TokenRefused`, which never quotes it."""
        if len(text) > MAX_TOKEN:
            raise TokenRefused("it is too long")
        try:
            key = self._key(jwt.get_unverified_header(text).get("kid"))
            claims = jwt.decode(
                text,
                key.material,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                # Times are checked against the clock of the hub, which tests can set.
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(_REASONS.get(type(error), "it is not valid")) from None
        except (ValueError, TypeError, RecursionError):  # what is inside is anyone's
            raise TokenRefused("it is no token") from None
        return _token(claims, wall)

    def _key(self, name: object) -> Key:
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        found = self._keys.get(name) if isinstance(name, str) else None
        if found is None:
            raise TokenRefused("no configured key signed it")
        return found


_REASONS: dict[type[Exception], str] = {
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidAlgorithmError: "its key is for another algorithm",
    jwt.InvalidIssuerError: "it has another issuer",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.MissingRequiredClaimError: "it lacks exp, iss or aud",
}


def _token(claims: dict[str, Any], wall: float) -> Token:
    """The claims that matter, each of the right type."""
    expires, begins = claims["exp"], claims.get("nbf", wall)
    if not _is_time(expires) or not _is_time(begins):
        raise TokenRefused("exp and nbf are numbers of seconds")
    if expires <= wall:
        raise TokenRefused("it has expired")
    if begins > wall + LEEWAY:
        raise TokenRefused("it is not valid yet")
    if expires > wall + LONGEST:
        raise TokenRefused("it is valid for more than 31 days")
    role, extension, tenant = claims.get("role", "agent"), claims.get("extension", ""), claims.get("tenant", "")
    if role not in ROLES:
        raise TokenRefused(f"its role is none of {', '.join(ROLES)}")
    if not isinstance(extension, str) or not (_EXTENSION.fullmatch(extension) or (not extension and role == "service")):
        raise TokenRefused("it names no extension")
    if not isinstance(tenant, str) or not (tenant == "" or _NAME.fullmatch(tenant)):
        raise TokenRefused("its tenant is no name")
    subject = claims.get("sub", "")
    return Token(extension, role, tenant, float(expires), subject if isinstance(subject, str) else "")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11


def new_keys(config: Config) -> Keys | None:
    """The keys of the configuration; None where it has none. Raises `ConfigError`."""
    if not config.token_key:
        return None
    keys = tuple(_load(*parse_token_key(text)) for text in config.token_key)
    return Keys(keys, issuer=config.token_issuer, audience=config.token_audience)


def _load(name: str, algorithm: str, path: str) -> Key:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError("token_key", f"{path!r} cannot be read ({error.strerror})", "Give a file") from None
    if algorithm == "HS256":
        secret = data.strip()
        if len(secret) < 32 or b"-----BEGIN" in secret:
            remedy = "Make one with `openssl rand -hex 32 > FILE`"
            raise ConfigError("token_key", f"{path!r} holds no secret of 32 octets or more", remedy)
        return Key(name, algorithm, secret)
    kind, words = (RSAPublicKey, "an RSA") if algorithm == "RS256" else (Ed25519PublicKey, "an Ed25519")
    remedy = "Give the issuer's public key (`openssl pkey -in private.pem -pubout`)"
    try:
        public = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("token_key", f"{path!r} is no public key in PEM", remedy) from None
    if not isinstance(public, kind):
        raise ConfigError("token_key", f"{path!r} is not {words} key, as {algorithm} needs", remedy)
    if isinstance(public, RSAPublicKey) and public.key_size < 2048:
        raise ConfigError("token_key", f"{path!r} has {public.key_size} bits", "Give a key of 2048 bits or more")
    return Key(name, algorithm, public)


def static_password(config: Config) -> str | None:
    """The one password of all extensions, of the file that `password_source` names; None: each has its own.

    Raises `ConfigError`.
    """
    if config.password_source == "login":
        return None
    path = config.password_source.removeprefix("static:")
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigError("password_source", f"{path!r} cannot be read", "Give a text file") from None
    if not lines or not lines[0].strip():
        raise ConfigError("password_source", f"{path!r} holds no password", "Write it in the first line") from None
    return lines[0].strip()
