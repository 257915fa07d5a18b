"""Offhook: a call-centre phone for programs and browsers on FreeSWITCH.

These are the names of the README's example; everything else is imported from where it lives.
"""

__version__ = "0.1.0"

from offhook.api import Agent, Call, Phone
from offhook.errors import OffhookError

__all__ = ["Agent", "Call", "OffhookError", "Phone", "__version__"]
