"""Codecs: G.711 by table, Opus by libopus. Frames in and out are 20 ms unless a peer packs otherwise.

Opus is coded and decoded as mono at 16 kHz (wideband speech): its RTP clock is 48 kHz all the same (RFC 7587 §4.1), and
the peer may use any bandwidth. That costs a third of what 48 kHz does.
"""

from __future__ import annotations

import ctypes
from typing import Protocol

import numpy as np
import numpy.typing as npt

from offhook.errors import MediaError
from offhook.media.audio import Samples, frame_size
from offhook.media.concealment import Concealer

OPUS_RATE = 16000
MAX_FRAME_MS = 120
"""The longest packet that is taken."""

_OPUS_BITRATE = 30000  # what FreeSWITCH names as its most; from about here on libopus keeps 16 kHz and adds FEC
_OPUS_LOSS = 10  # percent expected at least: below it libopus adds no FEC at this rate
_OPUS_MAX_PAYLOAD = 400
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS = 4002, 4010, 4012, 4014  # opus_defines.h
_APPLICATION_VOIP = 2048


class Encoder(Protocol):
    """One outgoing stream."""

    name: str
    rate: int

    def encode(self, frame: Samples | None) -> bytes:
        """20 ms at `rate`; None is silence."""
        ...

    def expect_loss(self, percent: int) -> None:
        """What the far side says it loses."""
        ...


class Decoder(Protocol):
    """One incoming stream."""

    name: str
    rate: int

    def decode(self, payload: bytes) -> Samples:
        """Samples at `rate`; raises MediaError if the payload is no good."""
        ...

    def conceal(self, count: int, following: bytes | None) -> Samples:
        """About `count` samples for a packet that is missing; `following` is the payload after it, if that is here."""
        ...


def make_encoder(name: str) -> Encoder:
    """By the name of the codec, in any case."""
    return OpusEncoder() if name.lower() == "opus" else G711Encoder(name.upper())


def make_decoder(name: str) -> Decoder:
    return OpusDecoder() if name.lower() == "opus" else G711Decoder(name.upper())


def packet_ms(name: str, payload: bytes) -> float:
    """How long the audio in a packet lasts; 0 if the packet is no good."""
    length = _opus_ms(payload) if name.lower() == "opus" else len(payload) / 8.0
    return length if length <= MAX_FRAME_MS else 0.0


def _opus_ms(payload: bytes) -> float:
    """From the TOC (RFC 6716 §3.1)."""
    if not payload:
        return 0.0
    configuration, code = payload[0] >> 3, payload[0] & 3
    if configuration < 12:
        frame = (10.0, 20.0, 40.0, 60.0)[configuration & 3]
    elif configuration < 16:
        frame = (10.0, 20.0)[configuration & 1]
    else:
        frame = (2.5, 5.0, 10.0, 20.0)[configuration & 3]
    if code == 3:
        return frame * (payload[1] & 0x3F) if len(payload) > 1 else 0.0
    return frame if code == 0 else 2 * frame


# G.711


def _mu_law_table() -> Samples:
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)
    return np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.int16)


def _a_law_table() -> Samples:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest(table: Samples) -> npt.NDArray[np.uint8]:
    """For each 16 bit sample (as uint16) the code whose value is nearest."""
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int32)
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    above = np.clip(np.searchsorted(values, samples, side="right"), 1, 255)
    take_above = (values[above] - samples) < (samples - values[above - 1])
    return order[np.where(take_above, above, above - 1)].astype(np.uint8)


_DECODE = {"PCMU": _mu_law_table(), "PCMA": _a_law_table()}
_ENCODE = {name: _nearest(table) for name, table in _DECODE.items()}
_SILENCE = {name: bytes(table[:1].tobytes()) * frame_size(8000) for name, table in _ENCODE.items()}


class G711Encoder:
    """PCMU or PCMA (ITU-T G.711)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rate = 8000
        self._table = _ENCODE[name]

    def encode(self, frame: Samples | None) -> bytes:
        if frame is None:
            return _SILENCE[self.name]
        return self._table[frame.view(np.uint16)].tobytes()

    def expect_loss(self, percent: int) -> None:
        """Nothing in G.711 helps against loss."""


class G711Decoder:
    """PCMU or PCMA, with concealment by repeating the last pitch period."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rate = 8000
        self._table = _DECODE[name]
        self._concealer = Concealer(self.rate)

    def decode(self, payload: bytes) -> Samples:
        return self._concealer.heard(self._table[np.frombuffer(payload, dtype=np.uint8)])

    def conceal(self, count: int, following: bytes | None) -> Samples:
        return self._concealer.conceal(count)


# Opus


class _Library:
    """The few calls of libopus that are used, with their types."""

    def __init__(self) -> None:
        try:
            from opuslib_next.api import libopus
        except Exception as error:  # not ImportError alone: it looks for and loads a shared library while imported
            raise MediaError("Opus needs the extra offhook[media] (opuslib-next-bundled)") from error
        integer, pointer = ctypes.c_int, ctypes.c_void_p

        def bind(name: str, result: type | None, *arguments: type) -> ctypes._NamedFuncPointer:
            # A prototype of our own: the binding's own functions have their argument types set by it.
            return ctypes.CFUNCTYPE(result, *arguments)((name, libopus))  # type: ignore[return-value]

        self.encoder_create = bind("opus_encoder_create", pointer, integer, integer, integer, pointer)
        self.encoder_destroy = bind("opus_encoder_destroy", None, pointer)
        self.encode = bind("opus_encode", integer, pointer, pointer, integer, pointer, integer)
        self.encoder_ctl = bind("opus_encoder_ctl", integer, pointer, integer, integer)
        self.decoder_create = bind("opus_decoder_create", pointer, integer, integer, pointer)
        self.decoder_destroy = bind("opus_decoder_destroy", None, pointer)
        self.decode = bind("opus_decode", integer, pointer, ctypes.c_char_p, integer, pointer, integer, integer)


_library: _Library | None = None


def _opus() -> _Library:
    global _library
    if _library is None:
        _library = _Library()
    return _library


class OpusEncoder:
    """Opus for speech: 30 kbit/s at most, the lightest complexity, in-band FEC on."""

    def __init__(self) -> None:
        self.name = "opus"
        self.rate = OPUS_RATE
        self._state: int | None = None
        self._opus = _opus()
        error = ctypes.c_int()
        self._state = self._opus.encoder_create(OPUS_RATE, 1, _APPLICATION_VOIP, ctypes.addressof(error))
        if error.value:
            raise MediaError("libopus makes no encoder")
        for request, value in (
            (_SET_BITRATE, _OPUS_BITRATE),
            (_SET_COMPLEXITY, 0),
            (_SET_FEC, 1),
            (_SET_LOSS, _OPUS_LOSS),
        ):
            self._opus.encoder_ctl(self._state, request, value)
        self._count = frame_size(OPUS_RATE)
        self._silence = np.zeros(self._count, dtype=np.int16)
        self._out = ctypes.create_string_buffer(_OPUS_MAX_PAYLOAD)
        self._out_at = ctypes.addressof(self._out)

    def encode(self, frame: Samples | None) -> bytes:
        samples = self._silence if frame is None else np.ascontiguousarray(frame)
        assert samples.size == self._count
        length = self._opus.encode(self._state, samples.ctypes.data, self._count, self._out_at, _OPUS_MAX_PAYLOAD)
        if length < 0:
            raise MediaError(f"libopus cannot encode (error {length})")
        return self._out.raw[:length]

    def expect_loss(self, percent: int) -> None:
        self._opus.encoder_ctl(self._state, _SET_LOSS, max(_OPUS_LOSS, min(percent, 30)))

    def __del__(self) -> None:
        if self._state is not None:
            self._opus.encoder_destroy(self._state)


class OpusDecoder:
    """Opus with in-band FEC where the following packet has it, else concealment of the PCM.

    libopus's own concealment is not used: measured on a tone it leaves dips of 30 ms, repeating the pitch period none.
    """

    def __init__(self) -> None:
        self.name = "opus"
        self.rate = OPUS_RATE
        self._state: int | None = None
        self._opus = _opus()
        error = ctypes.c_int()
        self._state = self._opus.decoder_create(OPUS_RATE, 1, ctypes.addressof(error))
        if error.value:
            raise MediaError("libopus makes no decoder")
        self._room = OPUS_RATE * MAX_FRAME_MS // 1000
        self._out = np.empty(self._room, dtype=np.int16)
        self._out_at = self._out.ctypes.data
        self._concealer = Concealer(OPUS_RATE)

    def decode(self, payload: bytes) -> Samples:
        return self._concealer.heard(self._run(payload, self._room, 0))

    def conceal(self, count: int, following: bytes | None) -> Samples:
        step = OPUS_RATE // 400  # libopus decodes FEC in multiples of 2.5 ms
        if following is not None and count % step == 0 and count <= self._room and _has_fec(following):
            return self._concealer.heard(self._run(following, count, 1))
        return self._concealer.conceal(count)

    def _run(self, payload: bytes, room: int, fec: int) -> Samples:
        count = self._opus.decode(self._state, payload, len(payload), self._out_at, room, fec)
        if count < 0:
            raise MediaError(f"not an Opus packet (error {count})")
        return self._out[:count].copy()

    def __del__(self) -> None:
        if self._state is not None:
            self._opus.decoder_destroy(self._state)


def _has_fec(payload: bytes) -> bool:
    """Whether a packet of one SILK frame brings a low-bitrate copy of the frame before it (RFC 6716 §4.2.3)."""
    if len(payload) < 2 or payload[0] & 3 or payload[0] >> 3 >= 16:
        return False
    # The header of a SILK frame: a voice activity flag for each 20 ms, then the flag asked for.
    parts = max(1, round(_opus_ms(payload) / 20))
    return bool(payload[1] & (0x80 >> parts))
