"""The objects that all requests share."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.fernet import MultiFernet

from api.core.current_values import CommitMarks
from api.preflight.planner_client import PlannerClient
from api.preflight.preflight import Preflight
from api.services.broker import Queue
from api.services.downloads import Downloads
from api.services.event_broadcast import EventBroadcast
from api.services.file_checks import FileChecks
from api.services.job_cache import JobCache
from api.services.job_pages import JobPages
from api.services.metrics import Metrics
from api.services.readiness import Readiness
from api.services.trial_owners import TrialOwners
from db.core.retention_rules import RetentionRules
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.spec.datasets.upload_store import UploadStore
from db.spec.prices import Prices
from db.startup.settings import NetworkList, Roots


@dataclass(frozen=True)
class Service:
    """The objects that all requests share.

    Attributes:
        best_effort_sessions: sessions with a short lock timeout, for writes that may fail.
        read_cipher: returns the cipher of callers' secrets, from the encryption key as it is now.
        instance: an id set by ``zpruner serve``, which uses the id to recognize its own API;
            ``/readyz`` returns the id in a header.
    """

    sessions: Sessions
    best_effort_sessions: Sessions
    queue: Queue
    store: ArtifactStore
    checks: FileChecks
    downloads: Downloads
    uploads: UploadStore
    model_roots: Roots
    max_dataset_bytes: int
    max_trials: int
    preflight: Preflight
    planner: PlannerClient
    marks: CommitMarks
    broadcast: EventBroadcast
    metrics: Metrics
    known_queues: tuple[str, ...]
    prices: Prices
    job_cache: JobCache
    job_pages: JobPages
    trial_owners: TrialOwners
    readiness: Readiness
    webhook_networks: NetworkList
    read_cipher: Callable[[], MultiFernet]
    retention: RetentionRules
    instance: str | None
