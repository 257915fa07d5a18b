"""Settings of an agent."""

from __future__ import annotations

import pytest

from offhook.cti.settings import AgentSettings, utc
from offhook.errors import ConfigError


def test_defaults_are_the_contract_s() -> None:
    settings = AgentSettings(servers=("ws://pbx",), domain="pbx")
    assert (settings.command_timeout, settings.out_of_service_after, settings.ring_timeout) == (40.0, 3.0, 60.0)
    assert (settings.call_waiting, settings.trust_auto_answer, settings.monitoring_prefix) == ("announce", False, "*44")
    assert settings.media_address_type.startswith("Offhook/") and settings.media_address_type.endswith("-CTI")
    assert settings.utc_offset(1.0) == utc(1.0) == 0.0


def test_an_unknown_dialect() -> None:
    with pytest.raises(ConfigError) as caught:
        AgentSettings(servers=("ws://pbx",), domain="pbx", dialect="klingon")
    assert caught.value.field == "dialect" and "freeswitch" in caught.value.remedy
