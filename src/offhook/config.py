"""The one configuration: what may be set, what it may be, and what is said when it is something else.

`Config(...)` takes the same texts as the command line's flags and checks them at once; a wrong value raises
`ConfigError` with the name of the field, what is wrong and what it may be. `read_file` gives the same values from a
TOML file. Nothing is read from anywhere else.
"""

from __future__ import annotations

import re
import time
import tomllib
import uuid
import wave
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from offhook.cti.dialects import DIALECTS
from offhook.cti.settings import MEDIA_ADDRESS_TYPE, MONITORING_PREFIXES, AgentSettings
from offhook.errors import ConfigError, LocalError
from offhook.media.engine import Echo, Silence, Source, Tone, WavFile
from offhook.sip import location

DEFAULT_SERVERS = ("ws://127.0.0.1:5066",)
"""Where FreeSWITCH as installed, and the development switch, take SIP over WebSocket."""

_NUMBER = re.compile(r"[A-Za-z0-9\-_.!~*'()+#]{1,64}")

_ICE_URL = re.compile(r"(?:stuns?|turns?):[A-Za-z0-9.\-_\[\]:]{1,255}(?:\?transport=(?:udp|tcp))?")
MEDIA = ("local", "browser", "null")
PERSON_SECONDS = 58.0
"""How long an engine may take where a person must allow a device; a little more, and the command has failed."""

LOG_LEVELS = ("debug", "info", "warning", "error")

LOWEST_TONE_HZ, HIGHEST_TONE_HZ = 20.0, 3900.0
"""What every codec of a telephone call carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that a gateway, or a `Phone`, is told. Raises `ConfigError` on construction."""

    listen: str = "127.0.0.1:8088"
    """`HOST:PORT` of the gateway; port 0 takes a free one, an IPv6 host stands in brackets."""
    sip: tuple[str, ...] = DEFAULT_SERVERS
    """SIP servers, `ws:`, `wss:`, `udp:`, `tcp:`, `tls:` or `sip:`, in the order in which they are tried."""
    domain: str = ""
    """SIP domain of the extensions; empty: the host of the first server."""
    media: Literal["local", "browser", "null"] = "local"
    """`local`: audio in this process; `browser`: in the agents' pages; `null`: signalling alone."""
    ice_server: tuple[str, ...] = ()
    """`stun:`, `turn:` and `turns:` URLs for the agents' pages, with `media` browser."""
    turn_secret: str = field(default="", repr=False)
    """What the TURN servers make passwords of (coturn: static-auth-secret); pages get one for half a day."""
    ice_policy: Literal["all", "relay"] = "all"
    """Whether pages use every way to the server, or a TURN relay alone."""
    source: str = "silence"
    """What calls send unless told otherwise: `silence`, `echo`, `tone:440`, or a WAV file's path."""
    media_address: str = ""
    """IP address on which audio is received; empty: 127.0.0.1 where the first SIP server is there too, else all."""
    insecure_tls: bool = False
    """Take any certificate of a `wss:` server."""
    ca_file: str = ""
    """PEM file with the authorities (or the very certificates) of `wss:` servers; empty: those of this machine."""
    sip_trace: str = ""
    """File that gets every SIP message, secrets and digits masked; empty: none."""
    log_level: str = "info"
    log_format: Literal["text", "json"] = "text"
    """One line of text, or one JSON object, for each record."""
    dtmf: Literal["info", "rtp"] = "info"
    """How digits are sent: SIP INFO, or telephone-events (RFC 4733)."""
    call_waiting: Literal["announce", "busy"] = "announce"
    """A second inbound call: a dialog of its own, or 486."""
    dialect: str = "freeswitch"
    """`freeswitch`: a FreeSWITCH with conf/freeswitch; `efcx`: the vendor's media server."""
    supervisor: tuple[str, ...] = ()
    """Extensions that may listen to others' calls, whisper and barge in, where the server lets them too."""
    monitoring_prefix: tuple[str, ...] = MONITORING_PREFIXES
    """What the server has in front of a number to listen to its call, or to pick it up: no command may dial it but
    silentMonitor, which dials the first. A server with FreeSWITCH's own dialplan has `88` and `779` besides."""
    audit_log: str = ""
    """File that gets one JSON line for each monitoring, whisper and barge, refused ones too; empty: none."""
    ring_timeout: float = 60.0
    """Seconds after which a call that nobody answers is refused with 480."""
    trust_auto_answer: bool = False
    """Obey headers that want a call answered by itself; anyone who can call can send them."""
    auto_answer_after: float = 3.0
    """Seconds after which a campaign call is answered, where `trust_auto_answer` is set."""
    media_address_type: str = ""
    """`participants[].mediaAddressType`; empty: Offhook's own."""
    realm: str = ""
    """The only realm whose challenges are answered; empty: the domain's, and those of the registration."""
    redirects: int = 0
    """So many targets are tried for a call that is answered by 3xx; 0: it is refused by it."""
    session_expires: int = 0
    """Seconds of the session timer that calls ask for (RFC 4028), 90 at least; 0: they ask for none."""
    instance: str = ""
    """A UUID of this gateway, from which each agent gets a `+sip.instance` (RFC 5626) that stays; empty: none."""
    grace: float = 60.0
    """Seconds an agent stays logged in after its last connection has gone."""
    after_grace: Literal["logout", "stay"] = "logout"
    """What then: end the calls and log out, or stay registered (new calls get 480)."""
    password_source: str = "login"
    """`login`: an agent gives its extension's password; `static:FILE`: all have the one in the first line of that
    file, and a login carries a token that names its extension."""
    token_key: tuple[str, ...] = ()
    """Keys that sign tokens, `NAME=ALGORITHM:FILE`: a secret for HS256, a public key in PEM for RS256 and EdDSA. A
    token's `kid` is the name."""
    token_issuer: str = ""
    """`iss` of the tokens that are taken."""
    token_audience: str = "offhook"
    """`aud` of the tokens that are taken."""
    journal: str = ""
    """File that keeps agents and calls beyond this process, with its key beside it; empty: none."""
    drain: float = 0.0
    """Seconds that a stop waits for calls to end; 0: with a journal they stay for the next process, else they end."""
    trusted_proxy: tuple[str, ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-For says where a connection comes from."""
    allow_origin: tuple[str, ...] = ()
    """Origins (`https://desk.example.com`) of pages that may connect, beside the gateway's own."""
    tls_certificate: str = ""
    tls_key: str = field(default="", repr=False)
    insecure_listen: bool = False
    """Allow to listen beyond loopback without TLS."""

    def __post_init__(self) -> None:
        host, _ = parse_listen(self.listen)
        if not self.sip:
            raise ConfigError("sip", "no server is named", "Give one or more, as ws://127.0.0.1:5066,wss://sip.example")
        for url in self.sip:
            parse_server(url)
        if any(character in self.domain for character in '@;?<>:/ \r\n\t"'):
            raise ConfigError("domain", f"{self.domain!r} is no domain", "Give a host name or an IP address")
        _one_of("media", self.media, MEDIA)
        self._check_ice()
        parse_source(self.source)
        if self.media_address:
            _address("media_address", self.media_address)
        _one_of("log_level", self.log_level, LOG_LEVELS)
        _one_of("dtmf", self.dtmf, ("info", "rtp"))
        _one_of("call_waiting", self.call_waiting, ("announce", "busy"))
        _one_of("after_grace", self.after_grace, ("logout", "stay"))
        _one_of("dialect", self.dialect, tuple(DIALECTS))
        _one_of("log_format", self.log_format, ("text", "json"))
        self._check_calls()
        self._check_tokens()
        self._check_supervision()
        if not 0 <= self.grace <= 86_400:
            raise ConfigError("grace", f"{self.grace:g} is not possible", "Give seconds, from 0 to 86400")
        if not 0 <= self.drain <= 86_400:
            raise ConfigError("drain", f"{self.drain:g} is not possible", "Give seconds, from 0 to 86400")
        for origin in self.allow_origin:
            parse_origin(origin)
        if bool(self.tls_certificate) != bool(self.tls_key):
            given, missing = ("tls_certificate", "key") if self.tls_certificate else ("tls_key", "certificate")
            raise ConfigError(given, f"it was given without its {missing}", "Give both files, or neither")
        if not is_loopback(host) and not self.tls_certificate and not self.insecure_listen:
            raise ConfigError(
                "listen",
                f"{host} can be reached from other machines, and passwords would pass in clear",
                "Give tls_certificate and tls_key, listen on 127.0.0.1 behind a TLS proxy, or set insecure_listen",
            )

    def _check_ice(self) -> None:
        _one_of("ice_policy", self.ice_policy, ("all", "relay"))
        for url in self.ice_server:
            if not _ICE_URL.fullmatch(url):
                raise ConfigError("ice_server", f"{url!r} is no STUN or TURN server", "Give it as turn:HOST:3478")
        relays = any(url.startswith("turn") for url in self.ice_server)
        if relays != bool(self.turn_secret):
            problem = "a TURN server needs its secret" if relays else "there is no TURN server that it is for"
            raise ConfigError("turn_secret", problem, "Give both, or neither")
        if self.ice_policy == "relay" and not relays:
            raise ConfigError("ice_policy", "relay needs a TURN server", "Name one in ice_server")

    def _check_calls(self) -> None:
        if not 0 <= self.redirects <= 10:
            raise ConfigError("redirects", f"{self.redirects} is not possible", "Give a number from 0 to 10")
        for name, most in (("ring_timeout", 600), ("auto_answer_after", 60)):
            if not 0 < (value := getattr(self, name)) <= most:
                raise ConfigError(name, f"{value:g} is not possible", f"Give seconds, more than 0 and at most {most}")
        if self.session_expires and not 90 <= self.session_expires <= 86_400:
            problem = f"{self.session_expires} is not possible"
            raise ConfigError("session_expires", problem, "Give seconds, from 90 to 86400, or 0 for no session timer")
        if any(character in self.realm for character in '"\\\r\n'):
            raise ConfigError("realm", f"{self.realm!r} is no realm", "Give it as the server's challenge has it")
        if self.instance:
            try:
                uuid.UUID(self.instance)
            except ValueError:
                raise ConfigError("instance", f"{self.instance!r} is no UUID", "Make one with uuidgen") from None

    def _check_tokens(self) -> None:
        names = [parse_token_key(text)[0] for text in self.token_key]
        if len(set(names)) < len(names):
            raise ConfigError("token_key", "two keys have the same name", "Give each its own, as its tokens' kid")
        if self.token_key and not (self.token_issuer and self.token_audience):
            named = "token_audience" if self.token_issuer else "token_issuer"
            raise ConfigError(named, "tokens are taken from one issuer, for one audience", "Give both")
        source, _, path = self.password_source.partition(":")
        if self.password_source != "login" and (source != "static" or not path):
            remedy = "Give login, or static:FILE with the password in the first line of the file"
            raise ConfigError("password_source", f"{self.password_source!r} is not known", remedy)
        if source == "static" and not self.token_key:
            problem = "one password for all says nothing about who logs in"
            raise ConfigError("password_source", problem, "Give token_key too: a login then carries a token")
        for text in self.trusted_proxy:
            parse_network(text)

    def _check_supervision(self) -> None:
        if not self.monitoring_prefix:
            raise ConfigError("monitoring_prefix", "there is none", "Give the one that silentMonitor is to dial")
        for named in ("supervisor", "monitoring_prefix"):
            for extension in getattr(self, named):
                if not _NUMBER.fullmatch(extension):
                    remedy = "Give letters, digits and - _ . ! ~ * ' ( ) + #"
                    raise ConfigError(named, f"{extension!r} is no number", remedy)

    @property
    def host(self) -> str:
        return parse_listen(self.listen)[0]

    @property
    def port(self) -> int:
        return parse_listen(self.listen)[1]

    @property
    def sip_domain(self) -> str:
        """The domain, or the host of the first server."""
        if self.domain:
            return self.domain
        host = parse_server(self.sip[0])
        return f"[{host}]" if ":" in host else host

    @property
    def audio_source(self) -> Source:
        return parse_source(self.source)

    @property
    def audio_address(self) -> str | None:
        """The address for audio; None: let the engine use all it has."""
        if self.media_address:
            return self.media_address
        return "127.0.0.1" if is_loopback(parse_server(self.sip[0])) else None

    def _instance_of(self, extension: str) -> str | None:
        return uuid.uuid5(uuid.UUID(self.instance), f"{extension}@{self.sip_domain}").urn if self.instance else None

    def agent_settings(self) -> AgentSettings:
        """What each agent session is told."""
        settings = AgentSettings(
            servers=self.sip,
            domain=self.sip_domain,
            dtmf=self.dtmf,
            call_waiting=self.call_waiting,
            dialect=self.dialect,
            supervisors=frozenset(self.supervisor),
            monitoring_prefixes=self.monitoring_prefix,
            ring_timeout=self.ring_timeout,
            trust_auto_answer=self.trust_auto_answer,
            auto_answer_after=self.auto_answer_after,
            media_address_type=self.media_address_type or MEDIA_ADDRESS_TYPE,
            realm=self.realm or None,
            redirects=self.redirects,
            session_expires=self.session_expires or None,
            instance=self._instance_of,
            utc_offset=seconds_east_of_utc,
        )
        if self.media != "browser":
            return settings
        return replace(settings, media_timeout=PERSON_SECONDS, command_timeout=PERSON_SECONDS + 2)


def read_file(path: str) -> dict[str, Any]:
    """The values for `Config` in a TOML file, its keys named as the fields. Raises `ConfigError`.

    What the values say is checked by `Config`; here it is that the keys are known, and of the right type.
    """
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("config", f"{path!r} cannot be read ({error.strerror})", "Give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("config", f"{path!r} is not TOML ({error})", "Give lines as media = 'null'") from None
    kinds = {known.name: _KINDS[type(known.default)] for known in fields(Config)}
    for key, value in given.items():
        if key not in kinds:
            raise ConfigError(f"{path}: {key}", "there is no such key", f"Give {', '.join(sorted(kinds))}")
        types, words = kinds[key]
        if type(value) not in types or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
            raise ConfigError(f"{path}: {key}", f"{value!r} has the wrong type", f"Give {words}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


_KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text in quotes"),
    bool: ((bool,), "true or false"),
    float: ((int, float), "a number"),
    int: ((int,), "a whole number"),
    tuple: ((list,), 'a list of texts, as ["ws://127.0.0.1:5066"]'),
}


def seconds_east_of_utc(wall: float) -> float:
    """How far local time is ahead of UTC at that instant."""
    return float(time.localtime(wall).tm_gmtoff)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it. Of names, only `localhost` counts."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def parse_listen(text: str) -> tuple[str, int]:
    """Host (without brackets) and port of `HOST:PORT`. Raises `ConfigError`."""
    remedy = "Give HOST:PORT, as 127.0.0.1:8088 or [::1]:8088; port 0 takes a free one"
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ConfigError("listen", f"{text!r} has no {'host' if colon else 'port'}", remedy)
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise ConfigError("listen", f"{host!r} is no host", remedy)
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ConfigError("listen", f"{port!r} is no port", remedy)
    return host.strip("[]"), int(port)


def parse_server(url: str) -> str:
    """The host of a SIP server's URL. Raises `ConfigError`."""
    remedy = (
        "Give ws://HOST:PORT, wss://HOST:PORT, udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT or sip:DOMAIN; "
        "several with commas between them"
    )
    if any(character.isspace() for character in url):
        raise ConfigError("sip", f"{url!r} names no host", remedy)
    if url.partition(":")[0].lower() not in ("ws", "wss"):
        try:
            return location.parse_server(url).host
        except LocalError as error:
            raise ConfigError("sip", f"{url!r} is no SIP server ({error})", remedy) from None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise ConfigError("sip", f"{url!r} is no URL ({error})", remedy) from None
    if not parts.hostname:
        raise ConfigError("sip", f"{url!r} names no host", remedy)
    if parts.username is not None:
        raise ConfigError("sip", "a URL with a user or a password in it", f"{remedy}. Agents give theirs at login")
    return parts.hostname


TOKEN_ALGORITHMS = ("HS256", "RS256", "EdDSA")
_TOKEN_KEY = re.compile(r"([A-Za-z0-9_.\-]{1,64})=([A-Za-z0-9]+):(.+)")


def parse_token_key(text: str) -> tuple[str, str, str]:
    """Name, algorithm and file of `NAME=ALGORITHM:FILE`. Raises `ConfigError`."""
    found = _TOKEN_KEY.fullmatch(text)
    if found is None or found[2] not in TOKEN_ALGORITHMS:
        remedy = f"Give NAME=ALGORITHM:FILE, the algorithm one of {', '.join(TOKEN_ALGORITHMS)}"
        raise ConfigError("token_key", f"{text!r} names no key", remedy)
    return found[1], found[2], found[3]


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """An address or a network of proxies. Raises `ConfigError`."""
    try:
        return ip_network(text)
    except ValueError:
        remedy = "Give the address of the proxy, as 127.0.0.1, or a network, as 10.0.0.0/24"
        raise ConfigError("trusted_proxy", f"{text!r} is no address and no network", remedy) from None


def parse_origin(text: str) -> str:
    """An Origin as browsers send it. Raises `ConfigError`."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ConfigError(
            "allow_origin",
            f"{text!r} is no origin",
            "Give scheme, host and port as the browser sends them, without a path: https://desk.example.com",
        )
    return text.lower()


def parse_source(text: str) -> Source:
    """What a call sends: `silence`, `echo`, `tone:HZ`, `tone:HZ+HZ`, or a WAV file's path. Raises `ConfigError`."""
    remedy = "Give silence, echo, tone:440, tone:350+440 or the path of a WAV file with 16 bit PCM"
    if text == "silence":
        return Silence()
    if text == "echo":
        return Echo()
    if text.startswith("tone:"):
        first, plus, second = text.removeprefix("tone:").partition("+")
        try:
            tones = [float(part) for part in ([first, second] if plus else [first])]
        except ValueError:
            raise ConfigError("source", f"{text!r} has no frequency", remedy) from None
        if not all(LOWEST_TONE_HZ <= hz <= HIGHEST_TONE_HZ for hz in tones):
            problem = f"{text!r} cannot be heard in a call ({LOWEST_TONE_HZ:g} to {HIGHEST_TONE_HZ:g} Hz can)"
            raise ConfigError("source", problem, remedy)
        return Tone(tones[0], tones[1] if plus else None)
    try:
        with wave.open(text, "rb") as file:
            width = file.getsampwidth()
    except (OSError, wave.Error, EOFError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error) or "it is cut short"
        raise ConfigError("source", f"{text!r} cannot be read as a WAV file ({reason})", remedy) from None
    if width != 2:
        raise ConfigError("source", f"{text!r} has {8 * width} bit samples", remedy)
    return WavFile(text)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(name, f"{value!r} is not known", f"Give {', '.join(choices[:-1])} or {choices[-1]}")


def _address(name: str, text: str) -> None:
    try:
        usable = not (ip_address(text).is_unspecified or ip_address(text).is_multicast)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(name, f"{text!r} is no IP address of a machine", "Give one of this machine, as 127.0.0.1")
    if ip_address(text).version != 4:
        raise ConfigError(name, "audio over IPv6 is not carried yet", "Give an IPv4 address, as 127.0.0.1")
