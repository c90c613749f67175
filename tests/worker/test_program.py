"""The arguments of the worker program."""

import sys

import pytest

from worker import program


@pytest.mark.parametrize("queues", ["H100", "gpu,", "gpu, h100"])
def test_a_queue_that_no_job_can_name_is_refused(
    queues: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["worker", "-Q", queues])
    with pytest.raises(SystemExit) as refused:
        program.main()
    assert refused.value.code == 2
    assert "cannot be a queue: its name has at most 64 lower-case" in capsys.readouterr().err
