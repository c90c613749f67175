from datetime import timedelta

import pytest
from sqlalchemy import text, update

from api.services.downloads import Downloads
from db.core.clock import now
from db.core.session import Sessions, open_sessions
from db.files.downloads import DownloadRepository
from db.tables.jobs import Job
from tests.factories import make_job


def is_recorded(sessions: Sessions, job_id: str) -> bool:
    with sessions() as session:
        return DownloadRepository(session).is_recorded(job_id)


def test_a_long_download_is_recorded_again_while_it_lasts(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = make_job(sessions).id
    monkeypatch.setattr("api.services.downloads.RECORD_EVERY", timedelta(0))
    chunks = Downloads(sessions, sessions).recorded(job_id, iter([b"a", b"b"]))
    for chunk in (b"a", b"b"):
        with sessions.begin() as session:
            past = now(-timedelta(minutes=2))
            session.execute(update(Job).values(downloaded_at=past))
        assert next(chunks) == chunk
        assert is_recorded(sessions, job_id)


def test_a_download_that_cannot_be_recorded_is_logged_and_goes_on(
    sessions: Sessions, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = make_job(sessions).id
    impatient = open_sessions(database_url, busy_timeout=timedelta(milliseconds=1))
    with sessions.begin() as session:
        session.execute(text("UPDATE jobs SET priority = 1"))
        Downloads(sessions, impatient).record(job_id)
    impatient.kw["bind"].dispose()
    assert f"the download of job {job_id} could not be recorded" in caplog.text
    assert not is_recorded(sessions, job_id)
