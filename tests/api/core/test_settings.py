import pytest

from api.core.settings import ApiSettings
from db.startup.read_settings import SettingsError, read_settings


def test_prices_are_those_of_queues_that_jobs_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRUNER_PRICES", '{"default": 2.5, "h100": 4}')
    assert read_settings(ApiSettings).prices == {"default": 2.5, "h100": 4.0}
    monkeypatch.setenv("ZPRUNER_PRICES", '{"H100": 4}')
    with pytest.raises(SettingsError, match=r'ZPRUNER_PRICES=.*: "H100" cannot be a queue'):
        read_settings(ApiSettings)
