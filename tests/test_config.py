"""The configuration: what is taken, what is refused, and that the refusal names field and remedy."""

from __future__ import annotations

import wave
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from offhook.config import (
    Config,
    is_loopback,
    parse_listen,
    parse_origin,
    parse_source,
    parse_token_key,
    seconds_east_of_utc,
)
from offhook.errors import ConfigError
from offhook.media.engine import Echo, Silence, Tone, WavFile


def write_wav(path: Path, width: int = 2) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(bytes(320 * width))
    return str(path)


def test_defaults() -> None:
    config = Config()
    assert (config.host, config.port) == ("127.0.0.1", 8088)
    assert (config.sip_domain, config.audio_address, config.audio_source) == ("127.0.0.1", "127.0.0.1", Silence())
    settings = config.agent_settings()
    assert (settings.servers, settings.domain, settings.dtmf) == (("ws://127.0.0.1:5066",), "127.0.0.1", "info")


def test_what_follows_from_the_servers() -> None:
    config = Config(sip=("wss://sip.example:7443", "ws://127.0.0.1:5066"))
    assert (config.sip_domain, config.audio_address) == ("sip.example", None)
    assert Config(sip=("ws://[::1]:5066",)).sip_domain == "[::1]"
    assert Config(sip=("ws://sip.example",), media_address="192.0.2.1", domain="b.example").audio_address == "192.0.2.1"
    assert Config(sip=("ws://sip.example",), domain="b.example").sip_domain == "b.example"


def test_it_is_frozen_and_shows_no_key() -> None:
    config = Config(tls_certificate="cert.pem", tls_key="key.pem", listen="0.0.0.0:443")
    with pytest.raises(FrozenInstanceError):
        config.listen = "x"  # type: ignore[misc]
    assert "key.pem" not in repr(config)
    assert replace(config, grace=5.0).grace == 5.0


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("dialect", "finesse", "finesse"),
        ("supervisor", ("1009", "a b"), "no number"),
        ("monitoring_prefix", ("*44;x",), "no number"),
        ("monitoring_prefix", (), "there is none"),
        ("log_format", "xml", "'xml'"),
        ("token_key", ("k=HS512:f",), "names no key"),
        ("token_key", ("f",), "names no key"),
        ("token_key", ("k=HS256:f", "k=EdDSA:g"), "same name"),
        ("password_source", "file", "not known"),
        ("password_source", "static:", "not known"),
        ("password_source", "static:f", "nothing about who"),
        ("trusted_proxy", ("proxy.example",), "no address"),
        ("ring_timeout", 0.0, "not possible"),
        ("drain", -1.0, "not possible"),
        ("auto_answer_after", 61.0, "not possible"),
        ("listen", "8088", "has no port"),
        ("listen", ":8088", "has no host"),
        ("listen", "127.0.0.1:x", "no port"),
        ("listen", "127.0.0.1:65536", "no port"),
        ("listen", "127.0.0.1:\u0663", "no port"),
        ("listen", "::1:8088", "no host"),
        ("listen", "[::1:8088", "no host"),
        ("listen", "0.0.0.0:8088", "other machines"),
        ("listen", "gateway.example:8088", "other machines"),
        ("sip", (), "no server"),
        ("sip", ("http://127.0.0.1:5060",), "no SIP server"),
        ("sip", ("udp:127.0.0.1:port",), "no SIP server"),
        ("sip", ("ws://",), "names no host"),
        ("sip", ("ws://a b",), "names no host"),
        ("sip", ("ws://a:port",), "is no URL"),
        ("sip", ("ws://[::1",), "is no URL"),
        ("sip", ("ws://u:secret@a",), "a user or a password"),
        ("domain", "a@b", "is no domain"),
        ("domain", "a\r\nb", "is no domain"),
        ("media", "loud", "not known"),
        ("media_address", "localhost", "no IP address"),
        ("media_address", "0.0.0.0", "no IP address"),
        ("media_address", "::1", "not carried yet"),
        ("source", "tone:", "no frequency"),
        ("source", "tone:440+x", "no frequency"),
        ("source", "tone:5", "cannot be heard"),
        ("source", "tone:nan", "cannot be heard"),
        ("source", "missing.wav", "No such file"),
        ("log_level", "loud", "not known"),
        ("dtmf", "both", "not known"),
        ("call_waiting", "no", "not known"),
        ("after_grace", "no", "not known"),
        ("grace", -1.0, "not possible"),
        ("redirects", 11, "not possible"),
        ("session_expires", 60, "not possible"),
        ("realm", 'a"b', "no realm"),
        ("instance", "1234", "no UUID"),
        ("grace", float("nan"), "not possible"),
        ("allow_origin", ("*",), "no origin"),
        ("allow_origin", ("https://a.example/desk",), "no origin"),
        ("tls_certificate", "cert.pem", "without its key"),
        ("tls_key", "key.pem", "without its certificate"),
    ],
)
def test_what_is_refused(field: str, value: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(**{field: value})
    assert refused.value.field == field
    assert problem in refused.value.problem
    assert refused.value.remedy
    assert "secret" not in str(refused.value)


def test_beyond_loopback_by_tls_or_by_word() -> None:
    assert Config(listen="0.0.0.0:1", insecure_listen=True).host == "0.0.0.0"
    assert Config(listen="[::]:1", tls_certificate="c", tls_key="k").host == "::"


def test_sources(tmp_path: Path) -> None:
    assert parse_source("echo") == Echo()
    assert parse_source("tone:440") == Tone(440.0)
    assert parse_source("tone:350+440") == Tone(350.0, 440.0)
    path = write_wav(tmp_path / "a.wav")
    assert parse_source(path) == WavFile(path)
    with pytest.raises(ConfigError, match="8 bit"):
        parse_source(write_wav(tmp_path / "b.wav", width=1))
    (tmp_path / "c.wav").write_bytes(b"RIFF")
    with pytest.raises(ConfigError, match="cut short"):
        parse_source(str(tmp_path / "c.wav"))
    (tmp_path / "d.wav").write_bytes(b"no sound at all")
    with pytest.raises(ConfigError, match="cannot be read as a WAV file"):
        parse_source(str(tmp_path / "d.wav"))


def test_loopback() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.0.2.1", "localhost.example", ""))


def test_parsed() -> None:
    assert parse_listen("[::1]:0") == ("::1", 0)
    assert parse_origin("https://Desk.example:8443") == "https://desk.example:8443"
    assert abs(seconds_east_of_utc(1_800_000_000.0)) <= 50_400


def test_what_agents_are_told_of_their_calls() -> None:
    config = Config(
        sip=("udp:127.0.0.1:5060",),
        realm="pbx",
        redirects=2,
        session_expires=120,
        instance="6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    )
    settings = config.agent_settings()
    assert (settings.realm, settings.redirects, settings.session_expires) == ("pbx", 2, 120)
    assert settings.instance("1000") == Config(
        sip=("udp:127.0.0.1:5060",), instance=config.instance
    ).agent_settings().instance("1000")
    assert settings.instance("1000") != settings.instance("1001")
    assert str(settings.instance("1000")).startswith("urn:uuid:")
    assert Config().agent_settings().instance("1000") is None


@pytest.mark.parametrize("more", [{}, {"token_issuer": "i", "token_audience": ""}])
def test_tokens_have_an_issuer_and_an_audience(more: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="one issuer"):
        Config(token_key=("k=HS256:f",), **more)  # type: ignore[arg-type]


def test_a_key_has_a_name_an_algorithm_and_a_file() -> None:
    assert parse_token_key("crm=EdDSA:/etc/a:b.pem") == ("crm", "EdDSA", "/etc/a:b.pem")


def test_audio_in_pages() -> None:
    relay: dict[str, Any] = {"ice_server": ("stun:a:3478", "turns:b.example:5349?transport=tcp"), "turn_secret": "s"}
    config = Config(media="browser", ice_policy="relay", **relay)
    assert config.agent_settings().media_timeout < config.agent_settings().command_timeout == 60.0
    assert Config().agent_settings().command_timeout == 40.0 and "turn_secret" not in repr(config)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"ice_server": ("http://a",)}, "ice_server"),
        ({"ice_server": ("turn:a",)}, "turn_secret"),
        ({"turn_secret": "s"}, "turn_secret"),
        ({"ice_policy": "relay"}, "ice_policy"),
        ({"ice_policy": "none"}, "ice_policy"),
    ],
)
def test_ice_servers_that_are_none(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(media="browser", **given)
    assert refused.value.field == field
