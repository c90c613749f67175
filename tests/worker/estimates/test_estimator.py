"""The process that computes estimates gives way while it computes, and at no other time."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from tests.factories import make_spec
from worker.estimates import estimator
from worker.estimates.estimate import estimate
from worker.settings import WorkerSettings


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lowers threads")
def test_only_the_computation_of_an_estimate_gives_way(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, of_work, of_writers = os.getpriority(os.PRIO_PROCESS, 0), list[int](), list[int]()

    def note(of: list[int]) -> None:
        of.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def noted(*arguments: Any) -> Any:
        note(of_work)
        return estimate(*arguments)

    def begin(_: object) -> None:
        note(of_writers)

    monkeypatch.setattr(estimator, "estimate", noted)
    event.listen(sessions.kw["bind"], "begin", begin)
    with sessions.begin() as session:
        EstimateRepository(session).request(make_spec(model="local:none"))
    fields = {"data_dir": tmp_path, "worker_nice": mine + 3}
    assert estimator.compute_next(sessions, WorkerSettings.model_validate(fields))
    assert of_work == [mine + 3]
    assert len(of_writers) > 2
    assert set(of_writers) == {mine}
