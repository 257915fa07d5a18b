"""HTTP and WebSocket for desks and programs.

Reading order: interface (what the hub takes and gives), sessions (the hub, pure: who may command which agent, and who
hears of it), turns (how fast one may command), connection (one WebSocket), app (the parts put together, `Station`
without and `Gateway` with HTTP).
"""
