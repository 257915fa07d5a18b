"""The development switch: FreeSWITCH 1.11.1 as its clients see it on the wire, for tests and for trying things out.

Not a product: no I/O in here but in `server`, which runs the pure core (`core.SwitchNode`) on a driver. What it
imitates was recorded: tests/data/traces, replayed by tests/switch/test_traces.py. Where the two differ the switch is
wrong.
"""
