import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from db.startup.read_settings import SettingsError, read_settings
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


@pytest.mark.parametrize("name", ["H100", "-gpu", "a b", "x" * 65])
def test_a_queue_that_no_job_can_name_is_rejected(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZPRUNER_QUEUES", f"gpu,{name}")
    with pytest.raises(SettingsError, match=f'ZPRUNER_QUEUES=gpu,{name}: "{name}" cannot be a'):
        read_settings(Settings)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('[{"name": "old"', "Invalid JSON"),
        ('{"name": "old"}', "valid array"),
        (
            '[{"name": "old", "max_age_days": -1}]',
            r'\[0\]\["max_age_days"\] is -1: Input should be greater than 0',
        ),
    ],
)
def test_an_invalid_retention_rule_is_rejected_with_its_place_and_value(
    written: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZPRUNER_RETENTION", written)
    with pytest.raises(ValidationError, match=message):
        Settings()


def test_retention_rules_are_json_and_none_if_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRUNER_RETENTION", '[{"name": "old", "max_age_days": 90}]')
    assert [rule.max_age_days for rule in Settings().retention] == [90]
    monkeypatch.setenv("ZPRUNER_RETENTION", " ")
    assert Settings().retention == ()


def test_the_tests_use_a_data_folder_of_their_own_by_default() -> None:
    assert Settings().data_dir == Path(os.environ["ZPRUNER_DATA_DIR"])
