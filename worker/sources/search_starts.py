"""The end of an earlier search for units, from which the search of another job starts."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from db.core.errors import ArtifactNotFoundError, SpecRefusedError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.result_models import SEARCH, ResultModelRepository, gone
from db.spec.inputs.input_name import LOCAL
from db.spec.inputs.job_results import JOB, PROBABILITIES
from db.spec.prune_spec import PruneSpec


@dataclass(frozen=True)
class SearchStart:
    """The file with the probabilities that a search has ended with.

    Attributes:
        name: its name, without the path of a local folder.
    """

    name: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest of the file."""
        return sha256(self.content).hexdigest()


def find_start(sessions: Sessions, store: ArtifactStore, spec: PruneSpec) -> SearchStart | None:
    """Return the end of the search that a job of a service starts from; None if it names none.

    Raises:
        SpecRefusedError: the file is gone or damaged.
    """
    with sessions() as session:
        file = ResultModelRepository(session).find_search(spec)
    if file is None:
        return None
    try:
        start = SearchStart(f"{JOB}{file.job_id}", store.open(file).content())
    except (ArtifactNotFoundError, FileNotFoundError):
        raise gone(file.job_id, f"its {file.name} is missing", SEARCH) from None
    if start.sha256 != file.sha256:
        raise gone(file.job_id, f"its {file.name} is damaged", SEARCH)
    return start


def local_start(name: str) -> SearchStart:
    """Return the end of a search from the folder of an earlier result, without a service.

    Raises:
        SpecRefusedError: there is no such file.
    """
    if name.startswith(JOB):
        reason = "only a service knows the results of its jobs"
        remedy = "Name the folder of an earlier result, or submit the job (zpruner submit)."
        raise SpecRefusedError(SEARCH, name, "invalid_name", reason, remedy)
    path = Path(name.removeprefix(LOCAL)).expanduser().resolve()
    file = path / PROBABILITIES if path.is_dir() else path
    try:
        return SearchStart(f"{LOCAL}{path.name}", file.read_bytes())
    except OSError as error:
        reason = f"{file.name} cannot be read ({error.strerror})"
        remedy = f"Name the folder of an earlier result of method pgp, with its {PROBABILITIES}."
        raise SpecRefusedError(SEARCH, name, "no_search", reason, remedy) from None
