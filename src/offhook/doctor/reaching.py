"""The way to the server: name, port, certificate, WebSocket, SIP."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import secrets
import socket
import ssl
import time
import warnings
from dataclasses import dataclass
from urllib.parse import urlsplit

from offhook.config import is_loopback
from offhook.doctor import remedies
from offhook.doctor.bench import Bench
from offhook.doctor.findings import CheckEnded, Outcome, failed, ok
from offhook.doctor.handset import Handset
from offhook.errors import ConfigError, LocalError
from offhook.sip.events import ServerLost, ServerReached
from offhook.sip.location import parse_server
from offhook.transport.tls import NAME_MISMATCH, client_tls

PORT_SECONDS = 5.0
SOON_DAYS = 21
MAX_ANSWER = 16_384
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3

EXPIRED, NOT_YET, SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 10, 9, 18, 19  # OpenSSL's X509_V_ERR_...


@dataclass(frozen=True, slots=True)
class Place:
    """A server's URL taken apart. `port` None: DNS is to say it."""

    scheme: str
    host: str
    port: int | None
    path: str = "/"

    @property
    def tls(self) -> bool:
        return self.scheme in ("wss", "tls", "sips")

    @property
    def websocket(self) -> bool:
        return self.scheme in ("ws", "wss")

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}" if self.port is not None else self.host


def place_of(url: str) -> Place:
    """A server of a checked configuration."""
    scheme = url.partition(":")[0].lower()
    if scheme in ("ws", "wss"):
        parts = urlsplit(url)
        port = parts.port or (443 if scheme == "wss" else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Place(scheme, parts.hostname or "", port, path)
    try:
        server = parse_server(url)
    except LocalError as error:
        raise ConfigError("sip", f"{url!r} is no SIP server ({error})", "Give ws://HOST:PORT") from None
    return Place(scheme, server.host, server.port)


async def resolves(bench: Bench) -> Outcome:
    """Each server's name has an address."""
    seen = []
    for place in map(place_of, bench.config.sip):
        try:
            found = await asyncio.get_running_loop().getaddrinfo(place.host.strip("[]"), None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            if place.scheme in ("sip", "sips") and place.port is None:
                continue  # SRV records may be all that it has; `sip` asks for them
            problem = getattr(error, "strerror", None) or str(error)
            remedy = "Correct the name in --sip, add it to DNS or /etc/hosts, or give the address"
            raise CheckEnded(failed(f"{place.host}: {problem}", remedy)) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        seen.append(place.host if place.host in addresses else f"{place.host} is {', '.join(addresses)}")
    return ok("; ".join(seen) or "left to DNS (SRV)")


async def port_open(bench: Bench) -> Outcome:
    """Each server's port takes a TCP connection."""
    seen = []
    for place in map(place_of, bench.config.sip):
        if place.scheme == "udp" or place.port is None:
            continue
        try:
            async with asyncio.timeout(PORT_SECONDS):
                _, writer = await asyncio.open_connection(place.host.strip("[]"), place.port)
        except TimeoutError:
            remedy = "A firewall drops it, or the address is wrong: open the TCP port, on the way and on the server"
            raise CheckEnded(failed(f"{place.where} does not answer within {PORT_SECONDS:g} s", remedy)) from None
        except OSError as error:
            raise CheckEnded(not_open(place, error)) from None
        seen.append(f"{place.where}{ours(writer)}")
        writer.close()
    if not seen:
        return ok("nothing to connect to by TCP: see `sip`")
    return ok("; ".join(seen))


def ours(writer: asyncio.StreamWriter) -> str:
    """By which address of this machine it is reached, where that is not the server's own machine."""
    name = writer.get_extra_info("sockname")
    return f", reached from {name[0]}" if name and not is_loopback(str(name[0])) else ""


def not_open(place: Place, error: OSError) -> Outcome:
    """Why a port could not be reached."""
    if error.errno == errno.ECONNREFUSED:
        binding = {"ws": "ws-binding", "wss": "wss-binding", "tls": "tls-sip-port"}.get(place.scheme, "sip-port")
        setting = f"offhook_{binding.replace('-', '_')} of offhook/vars.xml" if place.websocket else binding
        remedy = (
            f"Nothing listens there. Start FreeSWITCH; `fs_cli -x 'sofia status profile offhook'` must say RUNNING and "
            f"show this address; else set {binding} of sip_profiles/offhook.xml ({setting}) and restart it"
        )
        return failed(f"{place.where} refuses the connection", remedy)
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        remedy = "There is no way to that address, or a firewall rejects it: look at routes and firewall"
        return failed(f"{place.where}: {error.strerror}", remedy)
    return failed(f"{place.where}: {error.strerror or error}", "Look at the address, the routes and the firewall")


# TLS


async def certificate(bench: Bench) -> Outcome:
    """Each TLS server's certificate is one that is accepted, for some time to come."""
    seen, notes = [], []
    for place in map(place_of, bench.config.sip):
        if place.tls and place.port is not None:
            said, more = await _certificate(bench, place)
            seen.append(said)
            notes += more
    if seen:
        return ok("; ".join(seen), *notes)
    if all(place_of(url).scheme == "ws" and is_loopback(place_of(url).host) for url in bench.config.sip):
        return ok("not used; the server is on this machine")
    note = "without TLS everybody on the way reads along, and can take the calls: use wss:, offhook_wss_binding"
    return ok("not used", note)


async def _certificate(bench: Bench, place: Place) -> tuple[str, list[str]]:
    strict = client_tls(False, bench.config.ca_file or None)
    notes = []
    try:
        version, found = await handshake(place, strict)
    except ssl.SSLCertVerificationError as error:
        wrong = refused_certificate(place, error.verify_code, error.verify_message)
        if not bench.config.insecure_tls:
            raise CheckEnded(wrong) from None
        version, found = await handshake(place, client_tls(True, None))
        said = f"{place.where}: {version}, accepted because of --insecure-tls"
        notes.append(f"{wrong.seen}. {wrong.remedy}")
    except (ssl.SSLError, ConnectionError) as error:
        raise CheckEnded(no_tls(place, error)) from None
    else:
        days = (ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()) / 86_400
        said = f"{place.where}: {version}, certificate valid for {days:.0f} days"
        if days < SOON_DAYS:
            notes.append(f"the certificate of {place.where} ends in {days:.0f} days: renew {remedies.WSS_PEM}")
    if await takes_old_tls(place):
        notes.append(f"{place.where} takes TLS 1.1 too: tls-version tlsv1.2 in sip_profiles/offhook.xml")
    return said, notes


async def handshake(place: Place, context: ssl.SSLContext) -> tuple[str, dict[str, object]]:
    """TLS version and, where it was verified, the certificate. Raises SSLError, OSError, CheckEnded."""
    assert place.port is not None
    host = place.host.strip("[]")
    try:
        async with asyncio.timeout(PORT_SECONDS):
            _, writer = await asyncio.open_connection(host, place.port, ssl=context, server_hostname=host)
    except TimeoutError:
        seen = f"{place.where} says nothing to a TLS handshake for {PORT_SECONDS:g} s"
        remedy = "It is not a TLS port (a ws: port waits for HTTP): give the port of wss-binding, or use ws:"
        raise CheckEnded(failed(seen, remedy)) from None
    secure = writer.get_extra_info("ssl_object")
    version, found = secure.version() or "TLS", secure.getpeercert() or {}
    writer.transport.abort()
    return version, found


def refused_certificate(place: Place, code: int, words: str) -> Outcome:
    """Why a certificate is refused, by OpenSSL's code, and what mends that."""
    what = f"the certificate of {place.where} is refused: {words}"
    if code == EXPIRED:
        return failed(what, f"Renew it: put the new one into {remedies.WSS_PEM}")
    if code == NOT_YET:
        return failed(what, "It begins later: set the clocks of both machines right (NTP), or wait")
    if code in NAME_MISMATCH:
        remedy = f"Connect by the name that it is for, or have {place.host} in its subjectAltName: {remedies.WSS_PEM}"
        return failed(what, remedy)
    if code in (SELF_SIGNED, SELF_SIGNED_IN_CHAIN):
        remedy = (
            "FreeSWITCH makes such a one where it has none. Install one of an authority, or of your own, as "
            f"{remedies.WSS_PEM}; or give this one, or its authority, by --ca-file; on a machine of yours alone "
            "--insecure-tls"
        )
        return failed(what, remedy)
    remedy = f"Have the whole chain in {remedies.WSS_PEM}, or give its authority by --ca-file"
    return failed(what, remedy)


def no_tls(place: Place, error: Exception) -> Outcome:
    """No TLS at all."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    remedy = (
        "Is it the port of wss-binding, and not of ws-binding? Else look at wss.pem in FreeSWITCH's tls folder: key "
        "and certificate must both be in it and readable; restart FreeSWITCH then"
    )
    return failed(f"no TLS with {place.where}: {reason}", remedy)


async def takes_old_tls(place: Place) -> bool:
    """Whether TLS 1.0 or 1.1 comes about; False where this machine's OpenSSL cannot try."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is why it is asked for
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        await handshake(place, context)
    except (OSError, ValueError, CheckEnded):
        return False
    return True


# WebSocket


async def websocket(bench: Bench) -> Outcome:
    """Each WebSocket server opens one, with the subprotocol `sip`."""
    seen, notes = [], []
    for place in map(place_of, bench.config.sip):
        if place.websocket:
            head = await upgrade(bench, place)
            protocol = judge_upgrade(place, *head)
            seen.append(f"{place.where} opens one")
            if not protocol:
                notes.append(f"{place.where} does not repeat the subprotocol `sip` (RFC 7118 §3): is a proxy between?")
    return ok("; ".join(seen), *notes) if seen else ok("not used: no ws: or wss: server")


async def upgrade(bench: Bench, place: Place) -> tuple[str, dict[str, str], str]:
    """The status line and headers (lower-case) that answer an upgrade, and what Sec-WebSocket-Accept has to be."""
    assert place.port is not None
    context = client_tls(bench.config.insecure_tls, bench.config.ca_file or None) if place.tls else None
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    want = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()
    lines = [
        f"GET {place.path} HTTP/1.1",
        f"Host: {place.where}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: sip",
    ]
    writer = None
    try:
        async with asyncio.timeout(PORT_SECONDS):
            host = place.host.strip("[]")
            reader, writer = await asyncio.open_connection(host, place.port, ssl=context, limit=MAX_ANSWER)
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except TimeoutError:
        hint = "It is perhaps a wss: port" if place.scheme == "ws" else "Look whether that is the port of wss-binding"
        raise CheckEnded(failed(f"{place.where} does not answer HTTP in {PORT_SECONDS:g} s", hint)) from None
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
        hint = "Is it a wss: port? Then say wss:" if place.scheme == "ws" else "Is it the port of wss-binding?"
        raise CheckEnded(failed(f"{place.where} broke off ({type(error).__name__})", hint)) from None
    finally:
        if writer is not None:
            writer.transport.abort()
    first, *rest = head.split("\r\n")
    pairs = (line.partition(":") for line in rest if ":" in line)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}, want


def judge_upgrade(place: Place, first: str, headers: dict[str, str], want: str) -> bool:
    """Whether the subprotocol is `sip`. Raises CheckEnded where there is no WebSocket."""
    status = first.split(" ")[1] if first.count(" ") else ""
    if not first.startswith("HTTP/") or status != "101":
        remedy = "Another program is there, or a proxy that does not pass WebSockets on: give FreeSWITCH's ws-binding"
        raise CheckEnded(failed(f"{place.where} answers {first[:60]!r} instead of opening a WebSocket", remedy))
    if headers.get("sec-websocket-accept") != want:
        remedy = "Something between answers for the server: a proxy that caches? Go round it"
        raise CheckEnded(failed(f"{place.where} answers an upgrade wrongly (Sec-WebSocket-Accept)", remedy))
    return "sip" in headers.get("sec-websocket-protocol", "").split(", ")


# SIP


async def sip(bench: Bench) -> Outcome:
    """Each server answers SIP (OPTIONS), whatever it says."""
    seen = []
    for url in bench.config.sip:
        handset = bench.new_handset("offhook-doctor", server=url)
        try:
            seen.append(await _options(handset, url))
        finally:
            await bench.close_handset(handset)
    return ok("; ".join(seen))


async def _options(handset: Handset, url: str) -> str:
    place = place_of(url)
    reached = await handset.connect(register=False)
    if not isinstance(reached, ServerReached):
        reason = reached.reason if isinstance(reached, ServerLost) else "no connection"
        raise CheckEnded(failed(reason, "See what `port`, `certificate` and `websocket` say"))
    answer = await handset.request("OPTIONS", f"sip:{handset.line.domain}", 8.0)
    response = None if answer is None else answer.response
    if answer is None or response is None:
        remedy = (
            f"The port is open, but nothing speaks SIP to us there. Give the port of a SIP profile ({place.scheme}-"
            "binding); `fs_cli -x 'sofia status'` must say RUNNING"
        )
        raise CheckEnded(failed(f"{place.where} does not answer OPTIONS", remedy))
    product = response.headers.get("Server") or response.headers.get("User-Agent") or "does not say what it is"
    return f"{place.where} answers {answer.status}, {product}"
