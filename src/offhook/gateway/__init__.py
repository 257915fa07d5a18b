"""HTTP and WebSocket for desks and programs.

Reading order: interface (what the hub takes and gives), sessions (the hub, pure: who may command which agent, and who
hears of it), with turns and rates (how fast), admission, passes and history; page, descriptions and ice (audio that is
in pages); connection (one WebSocket), auth (signed tokens), static (pages), rest with resources and openapi, metrics,
logs, front (what holds for every request), app (the parts put together, `Station` without and `Gateway` with HTTP).
"""
