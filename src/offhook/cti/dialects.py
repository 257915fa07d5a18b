"""The dialects there are, by the name that the configuration gives."""

from __future__ import annotations

from offhook.cti.dialect import Dialect, FreeSwitch
from offhook.cti.efcx import Efcx

DIALECTS: dict[str, Dialect] = {"freeswitch": FreeSwitch(), "efcx": Efcx()}
