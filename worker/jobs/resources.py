"""The folders, devices and memory that jobs may use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from db.buckets.readable_buckets import ReadableBuckets
from db.spec.datasets.files import DataFile
from db.spec.inputs.references import ModelReference, parse_model
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from worker.sources.result_models import PlacedResult
from worker.sources.search_starts import SearchStart

DEVICE_NAME = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


def no_secret() -> None:
    """Return no secret; a function of the module, so that resources can be sent to a process."""


@dataclass(frozen=True)
class Resources:
    """The resources of one job.

    Attributes:
        model_roots: folders that may contain local models; None if any folder may.
        dataset_roots: folders that may contain local datasets; None if any folder may.
        task_roots: folders with tasks of one's own for the LM Evaluation Harness.
        uploads: the folder of uploaded datasets; None if there are no uploads.
        buckets: the buckets that may be read; None for none.
        model_secret: returns the secret for the job's model; None for the worker's own. It is
            called when the secret is needed, so that the value is not kept.
        result: the model, if it is the result of another job; None if it is another model.
        search_start: the end of the search that the job's own starts from; None without one.
        digests: the expected SHA-256 of each uploaded dataset of the job, by name.
        device: the device to compute on; ``auto`` selects a GPU if there is one.
        devices: the number of devices. If there are several, each gets a process of its own and a
            share of the windows.
        memory_budget_bytes: the memory limit of all processes together; None for no limit.
        baselines: the folder of measurements of dense models; None to measure each time.
        speeds: the file of this machine's measured speed; None to predict no time.
        signing_key: the file with the key that signs the provenance; None to sign nothing.
        job_id: the job's id, for its provenance; None without a service.
        gate: the job's gate, which can stop a gradual job between two steps; None for no gate.
    """

    model_roots: tuple[Path, ...] | None = None
    dataset_roots: tuple[Path, ...] | None = None
    task_roots: tuple[Path, ...] = ()
    uploads: Path | None = None
    buckets: ReadableBuckets | None = None
    result: PlacedResult | None = None
    search_start: SearchStart | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    model_secret: Callable[[], str | None] = no_secret
    device: str = "auto"
    devices: int = 1
    memory_budget_bytes: int | None = None
    baselines: Path | None = None
    speeds: Path | None = None
    signing_key: Path | None = None
    job_id: str | None = None
    gate: Gate | None = None

    def model_reference(self, spec: PruneSpec) -> ModelReference:
        """Return the model of a job.

        Raises:
            SpecRefusedError: the name is not that of a model that the job may read.
        """
        result = None if self.result is None else self.result.folder
        return parse_model(spec.model, spec.revision, self.model_roots, self.buckets, result)

    @property
    def linked_folders(self) -> tuple[Path, ...] | None:
        """The folders that files of the model's folder may link to; None for any folder.

        The links of a result were made by the service itself.
        """
        return self.model_roots if self.result is None else None

    def require_unchanged(self, file: DataFile) -> None:
        """Check that a dataset, if it was uploaded, has not changed since.

        Raises:
            SpecRefusedError: the file has changed or cannot be read.
        """
        if (digest := self.digests.get(file.name)) is not None:
            file.require_digest(digest)


def valid_device_name(name: str) -> str:
    """Return ``name`` if it is a valid device name; whether the device exists is not checked.

    Raises:
        ValueError: ``name`` is not the name of a device.
    """
    if not DEVICE_NAME.fullmatch(name):
        raise ValueError("it is not auto, cpu, cuda, or a GPU such as cuda:1")
    return name
