"""HTTP and WebSocket for desks and programs.

Reading order: sessions (pure: who may command which agent, and who hears of it), connection (one WebSocket), app (the
parts put together, `Station` without and `Gateway` with HTTP).
"""
