"""The Python client and command line of the Z-Pruner service."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zpruner.client.client import AsyncClient, Client
    from zpruner.client.job import Job
    from zpruner.client.models.jobs import (
        Artifact,
        Dataset,
        Eta,
        Event,
        FileLink,
        LogLine,
        Output,
        Problem,
        Queue,
        Worker,
    )
    from zpruner.client.models.planning import Comparison, Estimate, Sweep
    from zpruner.client.models.storage import Retention, StorageUse
    from zpruner.client.models.trials import Trial
    from zpruner.client.models.triggers import Trigger, TriggerDelivery
    from zpruner.client.models.webhooks import Delivery, Webhook
    from zpruner.client.transport.errors import (
        CorruptedError,
        FilesDeletedError,
        NoFilesError,
        OtherFileError,
        ProblemError,
        ServiceError,
    )

__all__ = [
    "Artifact",
    "AsyncClient",
    "Client",
    "Comparison",
    "CorruptedError",
    "Dataset",
    "Delivery",
    "Estimate",
    "Eta",
    "Event",
    "FileLink",
    "FilesDeletedError",
    "Job",
    "LogLine",
    "NoFilesError",
    "OtherFileError",
    "Output",
    "Problem",
    "ProblemError",
    "Queue",
    "Retention",
    "ServiceError",
    "StorageUse",
    "Sweep",
    "Trial",
    "Trigger",
    "TriggerDelivery",
    "Webhook",
    "Worker",
]

if not TYPE_CHECKING:
    # The client is imported at the first use of a name: `zpruner serve` and the API need none.
    _MODULES = (
        "zpruner.client.client",
        "zpruner.client.job",
        "zpruner.client.models.jobs",
        "zpruner.client.models.planning",
        "zpruner.client.models.storage",
        "zpruner.client.models.trials",
        "zpruner.client.models.triggers",
        "zpruner.client.models.webhooks",
        "zpruner.client.transport.errors",
    )

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'zpruner' has no attribute {name!r}")
        modules = map(import_module, _MODULES)
        return next(vars(module)[name] for module in modules if name in vars(module))
