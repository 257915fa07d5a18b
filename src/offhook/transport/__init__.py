"""The only folder that opens SIP sockets. A transport opens flows, sends, and reports what came and what broke.

When and where to connect again is not decided here but by a pure machine, `offhook.sip.connectivity`.
"""
