from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from db.startup.settings import Settings


def test_no_network_is_private_business_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().webhook_networks == ()
    monkeypatch.setenv("ZPRUNER_WEBHOOK_NETWORKS", "10.0.0.0/8, fd00::/8,")
    assert Settings().webhook_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("written", ["10.0.0.1/8", "inside", "10.0.0.0/40"])
def test_what_is_no_network_does_not_start(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRUNER_WEBHOOK_NETWORKS", written)
    with pytest.raises(ValidationError, match="webhook_networks"):
        Settings()
