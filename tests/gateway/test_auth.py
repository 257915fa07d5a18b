"""Tokens: which are taken, and every way in which one is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from offhook.config import Config
from offhook.errors import ConfigError
from offhook.gateway.auth import Keys, new_keys, static_password
from offhook.gateway.interface import TokenRefused
from offhook.switch.server import Switch
from offhook.testing.desk import Desk

NOW = 1_800_000_000.0
CLAIMS = {"iss": "desk", "aud": "offhook", "exp": NOW + 600, "extension": "1000", "sub": "ann"}
SECRET = b"0123456789abcdef0123456789abcdef"


def public_pem(private: Any) -> bytes:
    return bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


RSA, ED = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """One key of each algorithm, from files."""
    (tmp_path / "h").write_bytes(SECRET + b"\n")
    (tmp_path / "r").write_bytes(public_pem(RSA))
    (tmp_path / "e").write_bytes(public_pem(ED))
    texts = (f"h=HS256:{tmp_path}/h", f"r=RS256:{tmp_path}/r", f"e=EdDSA:{tmp_path}/e")
    keys = new_keys(Config(token_key=texts, token_issuer="desk"))
    assert keys is not None
    return keys


def signed(claims: dict[str, Any] | None = None, kid: str | None = "h", **more: Any) -> str:
    key: Any = {"h": SECRET, "r": RSA, "e": ED}.get(kid or "h", SECRET)
    algorithm = {"h": "HS256", "r": "RS256", "e": "EdDSA"}.get(kid or "h", "HS256")
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({**CLAIMS, **(claims or {}), **more}, key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize("kid", ["h", "r", "e"])
def test_each_algorithm(keys: Keys, kid: str) -> None:
    token = keys.check(signed(kid=kid, role="supervisor", tenant="t"), NOW)
    assert (token.extension, token.role, token.tenant, token.expires) == ("1000", "supervisor", "t", NOW + 600)
    assert "1000" not in repr(token)


def test_a_service_needs_no_extension(keys: Keys) -> None:
    assert keys.check(signed(role="service", extension=""), NOW).role == "service"


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


FORGED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no token": lambda: "abc",
    "three dots": lambda: "...",
    "not base64": lambda: "é.é.é",
    "surrogate": lambda: "\udcff.a.b",
    "deep": lambda: base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.x",
    "long": lambda: "a" * 100_000,
    "alg none": lambda: f"{part({'alg': 'none', 'kid': 'h'})}.{part(CLAIMS)}.",
    "no kid": lambda: signed(kid=None),
    "unknown kid": lambda: signed(kid="x"),
    "kid no text": lambda: f"{part({'alg': 'HS256', 'kid': ['h']})}.{part(CLAIMS)}.x",
    "other secret": lambda: jwt.encode(CLAIMS, b"1" * 32, algorithm="HS256", headers={"kid": "h"}),
    # The public key is known to all: who takes it for an HMAC secret takes every token.
    "key confusion": lambda: hmac_with_public_key(),
    "another key's algorithm": lambda: jwt.encode(CLAIMS, SECRET, algorithm="HS256", headers={"kid": "e"}),
    "HS512": lambda: jwt.encode(CLAIMS, SECRET * 2, algorithm="HS512", headers={"kid": "h"}),
    "issuer": lambda: signed(iss="evil"),
    "audience": lambda: signed(aud="other"),
    "expired": lambda: signed(exp=NOW),
    "no end": lambda: jwt.encode({k: v for k, v in CLAIMS.items() if k != "exp"}, SECRET, headers={"kid": "h"}),
    "end no number": lambda: signed(exp=True),
    "end beyond": lambda: signed(exp=NOW + 1e8),
    "end infinite": lambda: signed(exp=1e308),
    "not yet": lambda: signed(nbf=NOW + 3600),
    "role": lambda: signed(role="root"),
    "role list": lambda: signed(role=["supervisor"]),
    "extension": lambda: signed(extension="1000@evil;x"),
    "extension type": lambda: signed(extension=1000),
    "no extension": lambda: signed(extension=""),
    "line feed": lambda: signed(extension="1000\n"),
    "tenant": lambda: signed(tenant={"a": 1}),
    "claims a list": lambda: "",
}


def hmac_with_public_key() -> str:
    import hashlib
    import hmac

    text = f"{part({'alg': 'HS256', 'kid': 'r'})}.{part(CLAIMS)}"
    mac = hmac.new(public_pem(RSA), text.encode(), hashlib.sha256).digest()
    return text + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_forged(keys: Keys, name: str) -> None:
    text = FORGED[name]()
    with pytest.raises(TokenRefused) as refused:
        keys.check(text, NOW)
    assert len(str(refused.value)) < 80
    if text:
        assert text not in str(refused.value)


def test_a_lone_key_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "h").write_bytes(SECRET)
    keys = new_keys(Config(token_key=(f"h=HS256:{tmp_path}/h",), token_issuer="desk"))
    assert keys is not None
    assert keys.check(signed(kid=None), NOW).subject == "ann"


@pytest.mark.parametrize(
    ("algorithm", "content", "words"),
    [
        ("HS256", b"short", "no secret of 32 octets"),
        ("HS256", public_pem(RSA), "no secret of 32 octets"),
        ("RS256", SECRET, "no public key"),
        ("RS256", public_pem(ED), "not an RSA key"),
        ("RS256", public_pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
        ("EdDSA", public_pem(ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
        ("EdDSA", None, "cannot be read"),
    ],
)
def test_keys_that_cannot_be_used(tmp_path: Path, algorithm: str, content: bytes | None, words: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as error:
        new_keys(Config(token_key=(f"k={algorithm}:{path}",), token_issuer="i"))
    assert error.value.field == "token_key"


def test_no_keys_no_tokens() -> None:
    assert new_keys(Config()) is None
    assert static_password(Config()) is None


def test_one_password_for_all(tmp_path: Path) -> None:
    path = tmp_path / "password"
    config = Config(password_source=f"static:{path}", token_key=("k=HS256:f",), token_issuer="i")
    for content in (None, "", "\n", "\xff"):
        if content is not None:
            path.write_bytes(content.encode("latin-1"))
        with pytest.raises(ConfigError, match="password_source"):
            static_password(config)
    path.write_text("1234\n# of all\n")
    assert static_password(config) == "1234"


async def test_a_token_joins_is_renewed_and_ends(
    start_gateway: Any, switch: Switch, token_options: dict[str, Any], sign: Callable[..., str]
) -> None:
    gateway = await start_gateway(sip=(switch.ws_url,), **token_options)
    async with Desk(gateway.url) as first, Desk(gateway.url) as second:
        result = await first.attempt("login", extension="1000", token=sign("1000"))
        assert result["error"]["code"] == "missing-parameter"  # it does not replace the password of the registration
        await first.login("1000", "1234")
        assert (await first.attempt("renewToken", token=sign("1000")))["error"]["code"] == "wrong-state"
        await second.do("login", extension="1000", token=sign("1000", seconds=30))
        warned = await second.expect("tokenExpiring")
        assert 25 <= warned["response"]["seconds"] <= 30
        refused = await second.attempt("renewToken", token=sign("1001"))
        assert refused["error"]["code"] == "proof-refused"
        renewed = await second.do("renewToken", token=sign("1000", seconds=1.2))
        assert renewed["result"]["expiresAt"].endswith("Z")
        await second.expect("Error", code="token-expired")
        assert await second.closed() == 1008
        await first.do("getState")


async def test_one_password_and_tokens_on_the_connection(
    start_gateway: Any, switch: Switch, token_options: dict[str, Any], sign: Callable[..., str], tmp_path: Path
) -> None:
    path = tmp_path / "password"
    path.write_text("1234\n")
    gateway = await start_gateway(sip=(switch.ws_url,), password_source=f"static:{path}", **token_options)
    async with Desk(gateway.url) as desk:
        result = await desk.attempt("login", extension="1000", password="1234")
        assert result["error"]["code"] == "token-required"
        await desk.do("login", extension="1000", token=sign("1000"))
    headers = {"Authorization": f"Bearer {sign('1001')}"}
    async with aiohttp.ClientSession() as session, session.ws_connect(gateway.url, headers=headers) as socket:
        await socket.send_json({"action": "login", "parameter": {"extension": "1001"}, "id": "1"})
        while (said := await socket.receive_json(timeout=5))["event"] != "commandResult":
            pass
        assert said["status"] == "done"


async def test_the_role_of_a_token_lets_listen(
    start_gateway: Any, switch: Switch, token_options: dict[str, Any], sign: Callable[..., str]
) -> None:
    gateway = await start_gateway(sip=(switch.ws_url,), **token_options)
    parameter = {"calledNumber": "1001", "callType": "audio", "Destination_Number": "1001", "service_Identifier": "x"}
    codes = []
    async with Desk(gateway.url) as desk:
        for role in ("agent", "supervisor"):
            await desk.do("login", extension="1000", password="1234", token=sign("1000", role))
            codes.append(((await desk.attempt("silentMonitor", **parameter))["error"] or {"code": ""})["code"])
        await desk.do("renewToken", token=sign("1000"))
        codes.append(((await desk.attempt("silentMonitor", **parameter))["error"] or {"code": ""})["code"])
    assert codes[0] == codes[2] == "not-allowed"
    assert codes[1] != "not-allowed"
