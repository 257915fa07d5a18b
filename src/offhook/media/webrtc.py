"""ICE and DTLS-SRTP, borrowed: the one file that touches aioice, aiortc and pylibsrtp.

A `SecureTransport` is one UDP socket (or one for each address), one ICE agent and one DTLS association: RTP and RTCP go
in and out of it in the clear. What is used of the libraries beyond their promise is listed in `PRIVATE_NAMES`, tested,
and the reason why their versions are pinned exactly.

What differs from the libraries' own way: host candidates come from `address` alone where that is given (aioice skips
127.0.0.1 and looks at every interface), nothing is looked up by mDNS, packets go from the socket through SRTP to the
owner without a queue or a task between them, and whatever arrives cannot raise.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Literal

import aioice.ice
import pylibsrtp
from aioice import stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair
from aiortc import RTCCertificate, RTCDtlsTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, State

from offhook.errors import MediaError
from offhook.media.negotiation import RemoteEnd
from offhook.media.rtp import is_rtcp
from offhook.media.sdp import Candidate

logger = logging.getLogger(__name__)

PRIVATE_NAMES: dict[str, tuple[str, ...]] = {
    "aioice.ice.Connection": (
        "_check_list",
        "_early_checks",
        "_local_candidates",
        "_local_candidates_start",
        "_local_candidates_end",
        "_nominated",
        "_protocols",
        "_queue",
        "_remote_candidates",
        "_closing",
        "_query_consent_task",
        "_tie_breaker",
    ),
    "aiortc.RTCDtlsTransport": (
        "_rx_srtp",
        "_tx_srtp",
        "_set_role",
        "_set_state",
        "_ssl",
        "_task",
        "_validate_peer_identity",
    ),
    "aiortc.RTCCertificate": ("_create_ssl_context",),
}
"""Attributes that carry no promise of their libraries; the contract test looks for each."""

CONNECT_SECONDS = 30.0
MAX_ADDRESSES = 8
MAX_REMOTE_CANDIDATES = 32
MAX_QUEUED = 64

_STUN_SECONDS = 1
_CONSENT_SECONDS = 5.0
_CONSENT_RETRIES = 2  # 3.5 seconds to answer
_CONSENT_EXPIRES = 30.0
# aiortc offers ECDSA suites alone; FreeSWITCH's certificate is RSA, so as its client we need these too.
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
)

Role = Literal["client", "server"]


class Certificate(RTCCertificate):
    """A fresh self-signed certificate, good for both DTLS roles."""

    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context

    @property
    def sha256(self) -> str:
        return next(each.value for each in self.getFingerprints() if each.algorithm == "sha-256")


class _Datagrams(aioice.ice.StunProtocol):
    """The socket: STUN to aioice, the rest past it (RFC 7983)."""

    receiver: _Agent

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        try:
            if data and isinstance(data, bytes):
                if data[0] < 4:
                    super().datagram_received(data, addr)
                elif self.receiver.knows(addr[0], addr[1]):
                    self.receiver.data_received(data, 1)
        except Exception as error:  # a hostile packet must not take the socket with it
            logger.debug("dropped a packet: %s", type(error).__name__)


class _Agent(aioice.ice.Connection):
    """An ICE agent that binds where it is told to."""

    def __init__(self, controlling: bool, stun_server: tuple[str, int] | None, media: Callable[[bytes], None]) -> None:
        super().__init__(ice_controlling=controlling, stun_server=stun_server, use_ipv6=False)
        # FreeSWITCH is always in the controlled role, draws a new tie-breaker below 2^63 for every check and does not
        # understand 487: ours must always win, or the call is silent for as many seconds as it loses.
        self._tie_breaker = 1 << 63 | secrets.randbits(63)
        self._media = media
        self._triggered: list[CandidatePair] = []
        self.sockets: list[tuple[str, int]] = []
        self._last_known: tuple[str, int] | None = None

    async def bind(self, sockets: list[tuple[str, int]]) -> None:
        """Open the sockets and gather (port 0: any)."""
        self._local_candidates_start = True
        loop = asyncio.get_running_loop()
        for at in sockets[:MAX_ADDRESSES]:
            try:
                transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=at)
            except OSError as error:
                logger.debug("no socket on an address: %s", error)
                continue
            host, port = transport.get_extra_info("sockname")[:2]
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
            protocol.local_candidate = aioice.Candidate(
                candidate_foundation("host", "udp", host), 1, "udp", candidate_priority(1, "host"), host, port, "host"
            )
            self._protocols.append(protocol)
            self._local_candidates.append(protocol.local_candidate)
            self.sockets.append((host, port))
        if self.stun_server is not None:
            await self._ask_stun(self.stun_server)
        self._local_candidates_end = True

    async def _ask_stun(self, server: tuple[str, int]) -> None:
        asked = [aioice.ice.server_reflexive_candidate(protocol, server) for protocol in self._protocols]
        tasks = [asyncio.ensure_future(each) for each in asked]
        if not tasks:
            return
        done, pending = await asyncio.wait(tasks, timeout=_STUN_SECONDS)
        for task in pending:
            task.cancel()
        self._local_candidates += [task.result()[0] for task in done if task.exception() is None]

    def knows(self, host: str, port: int) -> bool:
        """Whether that address is of the far side: told in its SDP, or learned by an authenticated check.

        Nobody else's packets are looked at: DTLS takes alerts in the clear until its handshake is done, and SRTP costs.
        """
        if self._last_known == (host, port):
            return True
        known = any(each.host == host and each.port == port for each in self._remote_candidates)
        if known or any(check[1][:2] == (host, port) for check in self._early_checks):
            self._last_known = (host, port)
            return True
        return False

    def data_received(self, data: bytes, component: int) -> None:
        first = data[0]
        if 127 < first < 192:
            self._media(data)
        elif 19 < first < 64 and self._queue.qsize() < MAX_QUEUED:
            self._queue.put_nowait((data, component))

    def request_received(self, message: stun.Message, addr: tuple[str, int], protocol: Any) -> None:
        if len(self._remote_candidates) + len(self._early_checks) > 2 * MAX_REMOTE_CANDIDATES:
            return  # a peer that asks from ever new ports
        super().request_received(message, addr, protocol)

    def check_incoming(self, message: stun.Message, addr: tuple[str, int], protocol: Any) -> None:
        """A check of ours that is under way is sent anew, once, when one of theirs comes (RFC 8445 §7.3.1.4).

        aioice waits for its retransmission instead: half a second of silence whenever our answer travels longer than
        our first check, which is always.
        """
        for pair in self._check_list:
            if pair.protocol is protocol and pair.remote_addr == addr and pair.task is not None:
                if pair.state is CandidatePair.State.IN_PROGRESS and pair not in self._triggered:
                    self._triggered.append(pair)
                    pair.task.cancel()
                    pair.task = None
                    pair.state = CandidatePair.State.WAITING
        super().check_incoming(message, addr, protocol)

    async def query_consent(self) -> None:
        """RFC 7675, but patient: FreeSWITCH answers from its audio loop, and late when it has packets waiting."""
        assert self.remote_password is not None
        password, heard = self.remote_password.encode(), asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(_CONSENT_SECONDS * (0.8 + 0.4 * random.random()))
            for pair in list(self._nominated.values()):
                request = self.build_request(pair, nominate=False)
                try:
                    await pair.protocol.request(
                        request, pair.remote_addr, integrity_key=password, retransmissions=_CONSENT_RETRIES
                    )
                    heard = asyncio.get_running_loop().time()
                except stun.TransactionError:
                    pass
            if asyncio.get_running_loop().time() - heard > _CONSENT_EXPIRES:
                self._query_consent_task = None  # or close() would wait for this very task
                await self.close()
                return

    @property
    def ended(self) -> bool:
        return self._closing

    def transmit(self, data: bytes) -> bool:
        """Send on the nominated pair; False while there is none."""
        pair = self._nominated.get(1)
        if pair is None:
            return False
        pair.protocol.transport.sendto(data, pair.remote_addr)
        return True


class _Dtls(RTCDtlsTransport):
    """Compares fingerprints without looking into the certificate: FreeSWITCH makes ones with a negative serial number,
    which `cryptography` is about to refuse."""

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        certificate = None if self._ssl is None else self._ssl.get_peer_certificate()
        told: dict[str, set[str]] = {}  # several of one hash: any of them (RFC 8122 §5.1)
        for each in remoteParameters.fingerprints:
            told.setdefault(each.algorithm, set()).add(each.value)
        matches = certificate is not None and all(
            certificate.digest(name.replace("-", "")).decode() in values for name, values in told.items()
        )
        if not told or not matches:
            self._set_state(State.FAILED)


class _IceOfDtls:
    """What RTCDtlsTransport asks of its RTCIceTransport."""

    def __init__(self, agent: _Agent) -> None:
        self._recv = agent.recv
        self._send = agent.send
        self.role = "controlling" if agent.ice_controlling else "controlled"


class SecureTransport:
    """One transport. `deliver(data, arrival)` gets RTP and RTCP in the clear, `lost(reason)` comes once, if the
    transport ends after it was connected and nobody closed it.

    `address`: the one address to bind to, where given; `stun`: "host:port" of a server that tells the public address.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        deliver: Callable[[bytes, float], None],
        lost: Callable[[str], None],
        address: str | None = None,
        stun: str | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.remote: RemoteEnd | None = None
        self.role: Role | None = None
        self.connected = False
        self.closed = False
        self.candidates: tuple[Candidate, ...] = ()
        self._certificate = certificate or Certificate.generateCertificate()
        self._deliver = deliver
        self._lost = lost
        self._address = address
        self._stun = _host_and_port(stun)
        self._agent = _Agent(controlling, self._stun, self._media)
        self._dtls: _Dtls | None = None

    async def gather(self) -> None:
        """Bind the sockets; raises MediaError if there is no address to bind to."""
        await self._agent.bind([(address, 0) for address in _addresses(self._address)])
        if not self._agent.sockets:
            raise MediaError("no address to receive audio on")
        # Kept: while it begins anew, at the same sockets, the agent has none.
        self.candidates = tuple(Candidate.parse(each.to_sdp()) for each in self._agent.local_candidates)

    @property
    def ufrag(self) -> str:
        return self._agent.local_username

    @property
    def password(self) -> str:
        return self._agent.local_password

    @property
    def fingerprint(self) -> str:
        """sha-256 of the certificate."""
        return self._certificate.sha256

    @property
    def address(self) -> tuple[str, int]:
        """Of the default candidate, for the c= and m= lines."""
        best = max(self.candidates, key=lambda each: (each.type == "srflx", each.priority))
        return best.host, best.port

    async def connect(self, remote: RemoteEnd, role: Role) -> None:
        """ICE, then DTLS; raises MediaError. May be called again with another far side: it begins anew at the same
        address with the same credentials, as the second answer to one offer asks for."""
        if self.remote is not None:
            await self._begin_anew()
        self.remote, self.role = remote, role
        self._agent.remote_username, self._agent.remote_password = remote.ufrag, remote.password
        for candidate in remote.candidates[:MAX_REMOTE_CANDIDATES]:
            known = _usable(candidate)
            if known is not None:
                await self._agent.add_remote_candidate(known)
        await self._agent.add_remote_candidate(None)
        dtls = self._dtls = _Dtls(_IceOfDtls(self._agent), [self._certificate])  # type: ignore[arg-type]
        dtls._set_role(role)
        fingerprints = [RTCDtlsFingerprint(each.hash, each.value) for each in remote.fingerprints]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._agent.connect()
                await dtls.start(RTCDtlsParameters(fingerprints=fingerprints))
        except TimeoutError as error:
            raise MediaError("the far side did not finish ICE and DTLS in time") from error
        except ConnectionError as error:
            raise MediaError("no path to the far side (ICE)") from error
        if dtls.state != "connected":
            raise MediaError("the DTLS handshake failed")
        self.connected = True
        dtls.on("statechange", self._dtls_changed)

    def send(self, data: bytes) -> bool:
        """An RTP or RTCP packet; False if it could not go."""
        dtls = self._dtls
        if not self.connected or dtls is None:
            return False
        srtp = dtls._tx_srtp
        try:
            return self._agent.transmit(srtp.protect_rtcp(data) if is_rtcp(data) else srtp.protect(data))
        except (pylibsrtp.Error, ValueError):
            return False

    async def close(self) -> None:
        """Say goodbye and free the sockets."""
        self.closed = True
        self.connected = False
        await self._end()

    def _media(self, data: bytes) -> None:
        dtls = self._dtls
        if dtls is None or dtls._rx_srtp is None or len(data) < 8:
            return
        try:
            plain = dtls._rx_srtp.unprotect_rtcp(data) if is_rtcp(data) else dtls._rx_srtp.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return
        self._deliver(plain, time.monotonic())

    def _dtls_changed(self) -> None:
        dtls = self._dtls
        if dtls is None or not self.connected or dtls.state not in ("closed", "failed"):
            return
        self.connected = False
        self._lost("the far side is not there any more (ICE)" if self._agent.ended else "the far side ended DTLS")

    async def _begin_anew(self) -> None:
        self.connected = False
        before = self._agent
        sockets = list(before.sockets)
        await self._end()
        self._agent = _Agent(before.ice_controlling, self._stun, self._media)
        self._agent._local_username, self._agent._local_password = before.local_username, before.local_password
        await self._agent.bind(sockets)
        if not self._agent.sockets:
            raise MediaError("the address to receive audio on is gone")

    async def _end(self) -> None:
        dtls, self._dtls = self._dtls, None
        if dtls is not None:
            pump = dtls._task
            try:
                await dtls.stop()
            except Exception as error:  # OpenSSL's or the socket's: what comes after must be freed all the same
                logger.debug("DTLS did not end well: %s", type(error).__name__)
            if pump is not None:
                await asyncio.wait([pump])
                if not pump.cancelled():
                    pump.exception()
            dtls.remove_all_listeners()
        await self._agent.close()


def _addresses(address: str | None) -> list[str]:
    if address is not None:
        return [address]
    found = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    return found[:MAX_ADDRESSES] or ["127.0.0.1"]


def _usable(candidate: Candidate) -> aioice.Candidate | None:
    """UDP candidates of RTP (with rtcp-mux there is no component 2) whose address is one: no name is ever looked up."""
    if candidate.component != 1 or candidate.transport.lower() != "udp" or candidate.port == 0:
        return None
    try:
        ipaddress.ip_address(candidate.host)
    except ValueError:
        return None
    return aioice.Candidate(
        candidate.foundation, 1, "udp", candidate.priority, candidate.host, candidate.port, candidate.type
    )


def _host_and_port(stun_server: str | None) -> tuple[str, int] | None:
    if stun_server is None:
        return None
    host, _, port = stun_server.removeprefix("stun:").rpartition(":")
    return (host, int(port)) if host and port.isdigit() else (stun_server.removeprefix("stun:"), 3478)
