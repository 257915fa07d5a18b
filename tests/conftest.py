"""For all tests: hypothesis looks at the same examples each time, unless OFFHOOK_EXAMPLES asks for fresh ones.

A run of the suite is to say whether a change broke something; looking for what nobody has seen yet is a run of its own:
OFFHOOK_EXAMPLES=2000 python -m pytest tests/sip/test_properties.py tests/testing tests/cti
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fresh", deadline=None, max_examples=int(os.environ.get("OFFHOOK_EXAMPLES", "100")))
settings.load_profile("fresh" if "OFFHOOK_EXAMPLES" in os.environ else "same")
