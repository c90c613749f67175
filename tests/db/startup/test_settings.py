import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from db.startup.settings import Settings


def test_webhook_networks_are_empty_by_default_and_split_at_commas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().webhook_networks == ()
    monkeypatch.setenv("ZPRUNER_WEBHOOK_NETWORKS", "10.0.0.0/8, fd00::/8,")
    assert Settings().webhook_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("written", ["10.0.0.1/8", "inside", "10.0.0.0/40"])
def test_an_invalid_network_is_rejected(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRUNER_WEBHOOK_NETWORKS", written)
    with pytest.raises(ValidationError, match="webhook_networks"):
        Settings()


def test_the_tests_use_a_data_folder_of_their_own_by_default() -> None:
    assert Settings().data_dir == Path(os.environ["ZPRUNER_DATA_DIR"])
