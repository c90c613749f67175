"""Metrics that API processes share, so that a scrape of any process returns the metrics of all."""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.core.settings import ApiSettings


class SharedMetrics:
    """Keeps the values of this process's metrics in files, and reads the files of all processes.

    The files are named after the index of the API process. A restarted process has the same index
    and continues the same files, so counters do not restart at zero and files do not pile up.
    """

    def __init__(self, folder: Path, process: int) -> None:
        self._folder = folder
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call] # theirs
        (folder / f"{process}.pid").write_text(str(os.getpid()))

    @classmethod
    def of(cls, settings: ApiSettings) -> "SharedMetrics | None":
        """Return the shared metrics of this process; None if there is only one API process."""
        if settings.api_process is None or settings.api_shared_dir is None:
            return None
        return cls(settings.api_shared_dir, settings.api_process)

    def register(self, registry: CollectorRegistry) -> None:
        """Add the metrics of all processes to a registry."""
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call] # theirs
        registry.register(_Processes(self._folder))


class _Processes(Collector):
    """The ``process_…`` metrics of all API processes, labelled with the index of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for file in sorted(self._folder.glob("*.pid")):
            for metric in ProcessCollector(pid=file.read_text, registry=None).collect():
                known = merged.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    known.add_sample(sample.name, {"process": file.stem}, sample.value)
        return merged.values()
