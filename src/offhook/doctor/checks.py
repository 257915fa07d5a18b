"""All checks, in the order in which they are made."""

from __future__ import annotations

from offhook.doctor import calling, conferring, reaching, registering, supervising, transferring, trespassing
from offhook.doctor.plan import Check

CHECKS = (
    Check("name", "the server's name is known", reaching.resolves),
    Check("port", "its port can be reached", reaching.port_open, ("name",)),
    Check("certificate", "its certificate is accepted", reaching.certificate, ("port",)),
    Check("websocket", "it opens a WebSocket", reaching.websocket, ("certificate",)),
    Check("sip", "it answers SIP", reaching.sip, ("websocket",), 60.0),
    Check("register", "the extensions register", registering.register, ("sip",), 60.0),
    Check("digest", "passwords are asked for by digest", registering.digest, ("register",)),
    Check("wrong-password", "a wrong password is refused", registering.wrong_password, ("register",)),
    Check("unproven-call", "a call without a password is refused", registering.unproven_call, ("register",)),
    Check("echo", "a call is answered", calling.echo, ("register",)),
    Check("audio", "audio passes both ways", calling.audio, ("echo",)),
    Check("hold", "a call can be held and retrieved", calling.hold, ("echo",)),
    Check("video", "video", calling.video, ("echo",)),
    Check("api-request", "no commands by INFO", trespassing.api_request, ("echo",)),
    Check("api-message", "no commands by MESSAGE", trespassing.api_message, ("register",)),
    Check("agent-call", "agents call each other", calling.agent_call, ("register",)),
    Check("one-registration", "who registered last is called", registering.one_registration, ("agent-call",), 40.0),
    Check("headers", "call data reaches the called agent", calling.headers, ("agent-call",)),
    Check("digits", "digits reach the other party", calling.digits, ("agent-call",)),
    Check("message", "messages between agents", calling.message, ("register",)),
    Check("transfer-back", "a failed transfer comes back", transferring.transfer_back, ("agent-call",)),
    Check("blind-transfer", "a blind transfer is confirmed", transferring.blind_transfer, ("agent-call", "echo")),
    Check("attended-transfer", "an attended transfer", transferring.attended_transfer, ("agent-call", "hold")),
    Check("unknown-replaces", "no calls past the dialplan", trespassing.unknown_replaces, ("agent-call",)),
    Check("expansion", "no commands in numbers", trespassing.expansion, ("agent-call",)),
    Check("queue", "a queue takes calls", transferring.queue, ("register",)),
    Check("words", "the server hears words", conferring.words, ("agent-call",)),
    Check("conference", "a consulted agent is joined", conferring.conference, ("words",)),
    Check("monitor-refused", "agents cannot listen to calls", supervising.monitor_refused, ("agent-call",), 40.0),
    Check("monitor", "a supervisor listens, unheard", supervising.monitor, ("agent-call",), 30.0),
    Check("whisper", "a supervisor whispers to the agent", supervising.whisper, ("monitor", "words"), 30.0),
    Check("barge", "a supervisor joins the call", supervising.barge, ("monitor", "words"), 30.0),
    Check("recover", "lost calls can be told from others", calling.recover, ("register",)),
    Check("untrusted-headers", "a trunk's headers are taken off", calling.untrusted_headers),
)
