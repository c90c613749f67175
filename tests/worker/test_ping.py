"""The check of containers, as far as it needs no worker; tests/e2e pings real ones."""

from datetime import timedelta

from pydantic import SecretStr

from db.core.session import Sessions
from db.scheduling.control_heartbeat import CONTROL, HeartbeatRepository
from db.startup.settings import Settings
from db.tables.heartbeats import Heartbeat
from worker.ping import control_is_alive


def test_control_is_alive_while_its_last_heartbeat_is_recent(
    sessions: Sessions, database_url: str
) -> None:
    settings = Settings(database_url=SecretStr(database_url))
    assert not control_is_alive(settings)
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    assert control_is_alive(settings)
    with sessions.begin() as session:
        beat = session.get_one(Heartbeat, CONTROL)
        beat.at -= settings.heartbeat_timeout + timedelta(seconds=1)
    assert not control_is_alive(settings)
