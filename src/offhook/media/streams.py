"""The audio of one session while it runs: what a tick does, what a packet does, and the numbers of both."""

from __future__ import annotations

import time
from collections.abc import Callable

from offhook.clock import Now
from offhook.media.audio import SILENCE_DB
from offhook.media.engine import AudioStats, DigitReceived, DigitsSent, EngineEvent
from offhook.media.feeds import Feed, HeardFeed, MixFeed, Recipient
from offhook.media.inbound import Heard, Inbound
from offhook.media.negotiation import Agreement
from offhook.media.outbound import Outbound
from offhook.media.rtp import Reports, is_rtcp
from offhook.media.webrtc import SecureTransport

_SAMPLES_WANTED = 1.0


class AudioStreams:
    """Both directions of one session. Ticked by the pacer while a transport is up."""

    def __init__(self, media: str, outbound: Outbound, cname: str, tell: Callable[[EngineEvent], None]) -> None:
        self.heard: Heard | None = None
        self.heard_number = -1
        self.outbound = outbound
        self.inbound = Inbound()
        self.transport: SecureTransport | None = None
        self.muted = False
        self._media = media
        self._cname = cname
        self._tell = tell
        self._feed: Feed | None = None
        self._feed_begin: int | None = None
        self._recipient: Recipient | None = None
        self._reports: Reports | None = None
        self._sends = self._receives = False
        self._samples_until = 0.0

    @property
    def heard_level(self) -> float:
        """The level of what comes in, in dBov."""
        return self.inbound.level

    @property
    def sends(self) -> bool:
        return self._sends

    def configure(self, agreement: Agreement, number: int) -> list[str]:
        """What was agreed on, from tick `number` on; the ids of digit requests that can no longer be done."""
        dropped = self.outbound.configure(agreement.codec, agreement.dtmf, number)
        self.inbound.configure(agreement.receive)
        if not agreement.receives:
            self.inbound.pause()
        self._sends, self._receives = agreement.sends, agreement.receives
        if not self._sends and self.outbound.digits is not None:
            dropped += self.outbound.digits.clear()
        return dropped

    def set_feed(self, feed: Feed | None) -> None:
        before, self._feed, self._feed_begin = self._feed, feed, None
        if isinstance(before, MixFeed) and isinstance(feed, MixFeed):
            feed.go_on_from(before)
        if before is not None:
            before.close()

    def set_recipient(self, recipient: Recipient | None) -> None:
        before, self._recipient = self._recipient, recipient
        if before is not None:
            before.close()

    def want_samples(self) -> None:
        """Decode for the next second: another session takes the samples."""
        self._samples_until = time.monotonic() + _SAMPLES_WANTED

    def use(self, transport: SecureTransport) -> None:
        """Send over it from now on."""
        self.transport = transport
        if self._reports is None:
            self._reports = Reports(self.outbound.ssrc, self._cname, _now())

    def receive(self, data: bytes, arrival: float) -> None:
        """A decrypted packet."""
        if is_rtcp(data):
            if self._reports is not None:
                self._reports.receive(data, _now(), self.inbound.ssrc)
                if self._reports.remote_loss is not None:
                    self.outbound.expect_loss(self._reports.remote_loss)
        elif self._receives:
            for digit in self.inbound.receive(data, arrival):
                self._tell(DigitReceived(self._media, digit.digit, digit.duration_ms))

    def tick(self, number: int, at: float) -> None:
        """20 ms: hear, hand on, send, and report when it is time to."""
        heard = None
        if self._receives:
            wanted = self._recipient is not None or at < self._samples_until
            heard = self.inbound.pull(at, decode=wanted)
        for digit in self.inbound.expire(at):
            self._tell(DigitReceived(self._media, digit.digit, digit.duration_ms))
        self.heard, self.heard_number = heard, number
        if self._recipient is not None:
            if heard is None:
                self._recipient.take(None, 0)
            else:
                self._recipient.take(heard.samples, heard.rate)
        transport = self.transport
        if transport is None or not transport.connected:
            return
        if self._sends:
            packet = self.outbound.send_digit(number) or self._next_audio(number)
            if packet is not None:
                transport.send(packet)
            self._tell_digits_sent()
        if self._reports is not None and self._reports.due(at):
            self._report(transport, number)

    def stats(self) -> AudioStats:
        inbound, outbound = self.inbound, self.outbound
        reception = inbound.reception
        round_trip = None if self._reports is None else self._reports.round_trip
        score = inbound.mos(round_trip)
        return AudioStats(
            codec=outbound.codec,
            packets_sent=outbound.packets,
            packets_received=reception.received,
            packets_lost=reception.lost,
            jitter_ms=round(reception.jitter * 1000, 2) if reception.received else None,
            round_trip_ms=None if round_trip is None else round(round_trip * 1000, 2),
            mos=None if score is None else round(score, 2),
            level_in_db=round(inbound.level, 1) if reception.received else None,
            level_out_db=round(outbound.level if self._sends else SILENCE_DB, 1),
        )

    def close(self) -> None:
        self.transport = None
        self.set_feed(None)
        self.set_recipient(None)

    def _next_audio(self, number: int) -> bytes | None:
        outbound, feed = self.outbound, self._feed
        if outbound.encoder is None:
            return None
        if self.muted or feed is None:
            return outbound.send_frame(number, None)
        if isinstance(feed, HeardFeed):
            payload, lost = feed.passed_on(outbound.encoder.name)
            if payload is not None:
                outbound.level = feed.level
                return outbound.send_payload(number, payload)
            if lost:
                outbound.skip()
                return None
        if self._feed_begin is None:
            self._feed_begin = number
        return outbound.send_frame(number, feed.frame(number - self._feed_begin, outbound.encoder.rate))

    def _tell_digits_sent(self) -> None:
        digits = self.outbound.digits
        if digits is not None and digits.done:
            done, digits.done = digits.done, []
            for request in done:
                self._tell(DigitsSent(request, self._media))

    def _report(self, transport: SecureTransport, number: int) -> None:
        assert self._reports is not None
        outbound, inbound = self.outbound, self.inbound
        sent = (outbound.timestamp(number), outbound.packets, outbound.octets) if outbound.packets else None
        report = self._reports.write(_now(), sent=sent, remote_ssrc=inbound.ssrc, reception=inbound.reception)
        transport.send(report)


def _now() -> Now:
    return Now(time.monotonic(), time.time())
