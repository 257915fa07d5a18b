"""Digest authentication, both sides (RFC 3261 section 22, RFC 7616, RFC 8760)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import takewhile
from typing import Final

from offhook.clock import Ids, Now
from offhook.errors import LocalError, ParseError
from offhook.sip.fields import Challenge, Credentials
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response

# Names of RFC 7616 section 6.1 in lower case, and what hashlib calls the function.
_HASHES: Final = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
_MAX_NONCES: Final = 32
"""Nonces of which a client remembers the count."""
_MAX_SERVER_NONCES: Final = 65536


def supports(algorithm: str) -> bool:
    """Whether this Python can compute `algorithm` (a name of RFC 7616, with or without `-sess`)."""
    name = _HASHES.get(algorithm.lower().removesuffix("-sess"))
    return name is not None and name in hashlib.algorithms_available


def digest_hash(algorithm: str, text: str | bytes) -> str:
    """H() of RFC 7616 section 3.3: lower-case hexadecimal digits. LocalError for an algorithm that is not supported."""
    name = _HASHES.get(algorithm.lower().removesuffix("-sess"))
    if name is None or name not in hashlib.algorithms_available:
        raise LocalError(f"the digest algorithm {algorithm} is not supported")
    octets = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return hashlib.new(name, octets, usedforsecurity=False).hexdigest()


def compute_ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    """The hash that may be kept in place of the password (not yet that of a `-sess` algorithm)."""
    return digest_hash(algorithm, f"{user}:{realm}:{password}")


def compute_response(
    *,
    algorithm: str,
    ha1: str,
    nonce: str,
    method: str,
    uri: str,
    qop: str | None = None,
    nc: str = "",
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The `response` value (RFC 7616 section 3.4.1). `qop` None: the form without it, of RFC 2069."""
    if algorithm.lower().endswith("-sess"):
        ha1 = digest_hash(algorithm, f"{ha1}:{nonce}:{cnonce}")
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += f":{digest_hash(algorithm, body)}"
    ha2 = digest_hash(algorithm, a2)
    if qop is None:
        return digest_hash(algorithm, f"{ha1}:{nonce}:{ha2}")
    return digest_hash(algorithm, f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")


class DigestClient:
    """Answers the challenges of one account's servers.

    Nothing is sent before a challenge asks for it: FreeSWITCH takes no nonce twice (it says `stale=true`).
    """

    def __init__(
        self,
        user: str,
        password: str | Mapping[str, str],
        realm: str | None = None,
        *,
        ids: Ids,
        domain: str | None = None,
        kept: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`password`, or a map of HA1 (see `compute_ha1`) by algorithm. With `realm` other realms get no answer.

        `kept`: HA1s by realm and algorithm, as `keepable` gave them to a client before this one.

        With `domain` alone, requests other than REGISTER are answered for that realm and for those in which we were
        registered (`trust`): what else challenges them may be anybody whom a proxy lets talk to us (RFC 3261 §22.1).
        """
        self._user = user
        self._password = password if isinstance(password, str) else None
        self._ha1 = {} if isinstance(password, str) else {name.lower(): ha1 for name, ha1 in password.items()}
        self._realm = realm
        self._domain = domain
        self._asked: set[str] = set()
        """Realms for which a REGISTER was challenged since the last one that was accepted."""
        self._kept = {realm: dict(known) for realm, known in (kept or {}).items()}
        self._trusted = set(self._kept)
        self._ids = ids
        self._counts: dict[str, int] = {}

    def answer(
        self, response: Response, method: str, uri: str, body: bytes = b"", *, refused: Headers | None = None
    ) -> tuple[str, str] | None:
        """Header name and value that answer a 401 or 407 to the request (`method`, `uri`, `body`), or None.

        The topmost challenge that can be answered counts (RFC 8760 section 2.4). None where none can: another realm or
        algorithm, or credentials that were refused: `refused` are the headers of the request that was challenged, and
        what carried credentials for that realm already is answered only where the challenge is stale (RFC 7616 §3.3).
        How many challenges to one request are answered is not counted here.
        """
        proxy = response.status == 407
        name = "Proxy-Authorization" if proxy else "Authorization"
        try:
            lines = response.headers.all("Proxy-Authenticate" if proxy else "WWW-Authenticate")
            challenges = [challenge for line in lines for challenge in _parse_leniently(line)]
        except ParseError:
            return None
        for challenge in challenges:
            if not self._can_answer(challenge) or not self._trusts(challenge.parameters["realm"], method):
                continue
            stale = challenge.parameters.get("stale", "").lower() == "true"
            if not stale and challenge.parameters["realm"] in _realms(refused, name):
                return None
            if method == "REGISTER":
                self._asked.add(challenge.parameters["realm"])
            return name, str(self.credentials(challenge, method, uri, body))
        return None

    def trust(self) -> None:
        """A REGISTER was accepted: the realms that challenged it are the server's."""
        if self._asked:
            self._trusted, self._asked = self._asked, set()
            if self._password is not None:
                self._kept = {realm: self._ha1s(realm, self._password) for realm in sorted(self._trusted)}

    @property
    def keepable(self) -> dict[str, dict[str, str]]:
        """HA1s by realm and algorithm (in lower case) for the realms that we were registered in: with them another
        client does without the password. As secret as that."""
        return {realm: dict(known) for realm, known in self._kept.items()}

    def proves(self, password: str) -> bool | None:
        """Whether this is the password, by what is kept of it; None where nothing is. Takes as long either way."""
        results = [
            hmac.compare_digest(compute_ha1(algorithm, self._user, realm, password), ha1)
            for realm, known in self._kept.items()
            for algorithm, ha1 in known.items()
        ]
        return all(results) if results else None

    def _ha1s(self, realm: str, password: str) -> dict[str, str]:
        return {name: compute_ha1(name, self._user, realm, password) for name in _HASHES if supports(name)}

    def _trusts(self, realm: str, method: str) -> bool:
        if self._realm is not None or self._domain is None or method == "REGISTER":
            return True
        return realm in self._trusted or realm.lower() == self._domain.lower()

    def _can_answer(self, challenge: Challenge) -> bool:
        given = challenge.parameters
        algorithm = given.get("algorithm", "MD5")
        return (
            challenge.scheme.lower() == "digest"
            and "nonce" in given
            and "realm" in given
            and (self._realm is None or given["realm"] == self._realm)
            and supports(algorithm)
            and (self._password is not None or self._known(given["realm"], algorithm) is not None)
            and (_choose_qop(given.get("qop")) is not None or "qop" not in given)
        )

    def _known(self, realm: str, algorithm: str) -> str | None:
        """The HA1 that we were given in place of the password."""
        name = algorithm.lower().removesuffix("-sess")
        return self._kept.get(realm, {}).get(name) or self._ha1.get(name)

    def credentials(self, challenge: Challenge, method: str, uri: str, body: bytes = b"") -> Credentials:
        """The credentials for a challenge that can be answered; each use of a nonce raises its count."""
        given = challenge.parameters
        realm, nonce = given["realm"], given["nonce"]
        algorithm = given.get("algorithm", "MD5")
        qop = _choose_qop(given.get("qop"))
        session = algorithm.lower().endswith("-sess")
        count = self._count(nonce)
        nc = f"{count:08x}"
        cnonce = self._ids.token(128) if qop or session else ""
        if self._password is None:
            ha1 = self._known(realm, algorithm) or ""
        else:
            ha1 = compute_ha1(algorithm, self._user, realm, self._password)
        hashed = given.get("userhash", "").lower() == "true"
        pairs = {
            "username": digest_hash(algorithm, f"{self._user}:{realm}") if hashed else self._user,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": compute_response(
                algorithm=algorithm,
                ha1=ha1,
                nonce=nonce,
                method=method,
                uri=uri,
                qop=qop,
                nc=nc,
                cnonce=cnonce,
                body=body,
            ),
        }
        if "algorithm" in given:
            pairs["algorithm"] = algorithm
        if cnonce:
            pairs["cnonce"] = cnonce
        if qop is not None:
            pairs |= {"qop": qop, "nc": nc}
        if "opaque" in given:
            pairs["opaque"] = given["opaque"]
        if hashed:
            pairs["userhash"] = "true"
        return Credentials("Digest", pairs)

    def _count(self, nonce: str) -> int:
        count = self._counts.pop(nonce, 0) + 1
        self._counts[nonce] = count
        if len(self._counts) > _MAX_NONCES:
            del self._counts[next(iter(self._counts))]
        return count


def _realms(headers: Headers | None, name: str) -> set[str]:
    """The realms for which a request of ours carried credentials."""
    lines = [] if headers is None else headers.all(name)
    return {given.parameters.get("realm", "") for line in lines for given in Credentials.parse_many(line)}


def _choose_qop(offered: str | None) -> str | None:
    """The quality of protection to use of those in the list: auth before auth-int, None for neither."""
    words = {word.strip(" \t").lower() for word in (offered or "").split(",")}
    return "auth" if "auth" in words else "auth-int" if "auth-int" in words else None


def _parse_leniently(line: str) -> list[Challenge]:
    # A line that nobody can read does not keep us from answering the next one.
    try:
        return Challenge.parse_many(line)
    except ParseError:
        return []


class Outcome(Enum):
    """What a server makes of the credentials in a request."""

    OK = "ok"
    MISSING = "missing"
    """There are none for this realm."""
    STALE = "stale"
    """The nonce is unknown, too old, or its count did not rise; the password may be right."""
    WRONG = "wrong"
    """The user is unknown or the password is wrong."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, and the user that was named where one was."""

    outcome: Outcome
    user: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Nonce:
    expires: float
    count: int = 0


class DigestServer:
    """Challenges requests and checks what they bring. Used by the development switch; knows no users by itself."""

    def __init__(
        self,
        realm: str,
        lookup: Callable[[str], str | None],
        ids: Ids,
        algorithms: Sequence[str] = ("MD5",),
        nonce_ttl: float = 60,
    ) -> None:
        """`lookup` gives the password of a user or None; `algorithms` strongest first; `nonce_ttl` seconds."""
        for algorithm in algorithms:
            digest_hash(algorithm, "")
        self._realm = realm
        self._lookup = lookup
        self._ids = ids
        self._algorithms = tuple(algorithms)
        self._ttl = nonce_ttl
        self._nonces: dict[str, _Nonce] = {}

    def challenge(self, now: Now, proxy: bool, stale: bool = False) -> list[tuple[str, str]]:
        """Header lines for a 401 (`proxy`: 407), one for each algorithm, each with a nonce of its own."""
        # Nonces stand in the order of their ends, the oldest first.
        for old in list(takewhile(lambda nonce: self._nonces[nonce].expires <= now.monotonic, self._nonces)):
            del self._nonces[old]
        lines = []
        for algorithm in self._algorithms:
            nonce = self._ids.token(128)
            if len(self._nonces) >= _MAX_SERVER_NONCES:
                del self._nonces[next(iter(self._nonces))]
            self._nonces[nonce] = _Nonce(now.monotonic + self._ttl)
            pairs = {"realm": self._realm, "nonce": nonce}
            if stale:
                pairs["stale"] = "true"
            pairs |= {"algorithm": algorithm, "qop": "auth"}
            lines.append(("Proxy-Authenticate" if proxy else "WWW-Authenticate", str(Challenge("Digest", pairs))))
        return lines

    def check(self, request: Request, now: Now, proxy: bool) -> Verdict:
        """Whether `request` brings good credentials; each count of a nonce is good once. Raises nothing."""
        for line in request.headers.all("Proxy-Authorization" if proxy else "Authorization"):
            try:
                given = Credentials.parse(line)
            except ParseError:
                continue
            if given.scheme.lower() == "digest" and given.parameters.get("realm") == self._realm:
                return self._judge(given.parameters, request, now)
        return Verdict(Outcome.MISSING)

    def _judge(self, given: Mapping[str, str], request: Request, now: Now) -> Verdict:
        user = given.get("username", "")
        algorithm = given.get("algorithm", "MD5")
        password = self._lookup(user)
        known = {name.lower() for name in self._algorithms}
        if password is None or algorithm.lower() not in known:
            return Verdict(Outcome.WRONG, user)
        qop = given.get("qop")
        nc = given.get("nc", "")
        wanted = compute_response(
            algorithm=algorithm,
            ha1=compute_ha1(algorithm, user, self._realm, password),
            nonce=given.get("nonce", ""),
            method=request.method,
            uri=given.get("uri", ""),
            qop=qop,
            nc=nc,
            cnonce=given.get("cnonce", ""),
            body=request.body,
        )
        response = given.get("response", "").lower()
        if not hmac.compare_digest(wanted.encode(), response.encode("utf-8", "surrogateescape")):
            return Verdict(Outcome.WRONG, user)
        nonce = self._nonces.get(given.get("nonce", ""))
        try:
            count = int(nc, 16) if qop is not None else 1
        except ValueError:
            return Verdict(Outcome.WRONG, user)
        if nonce is None or nonce.expires <= now.monotonic or count <= nonce.count:
            return Verdict(Outcome.STALE, user)
        nonce.count = count
        return Verdict(Outcome.OK, user)
