"""The real application behind a real server, with access to its database."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions, open_sessions
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from tests.api.live import serving
from tests.fakes import ListQueue
from zpruner.cli.commands.main import app

NO_HUB = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Live:
    """A running service without workers."""

    url: str
    sessions: Sessions
    store: ArtifactStore
    queue: ListQueue

    def run(self, *words: str) -> Result:
        """Run a command against the service."""
        return CliRunner(env={"ZPRUNER_URL": self.url}).invoke(app, list(words))


@contextmanager
def live_service(folder: Path, migrated: Path) -> Iterator[Live]:
    """Serve the application in this process, with a new database."""
    url = f"sqlite:///{shutil.copy(migrated, folder / 'zpruner.db')}"
    (folder / "roots").mkdir()
    given = {"_env_file": None, "data_dir": folder / "data", "database_url": url}
    roots = dict.fromkeys(("model_roots", "dataset_roots"), (folder / "roots",))
    settings = ApiSettings.model_validate(given | roots | {"hf_endpoint": NO_HUB})
    sessions, queue = open_sessions(url), ListQueue()
    try:
        with serving(create_app(settings, queue)) as address:
            yield Live(address, sessions, FileStore(settings.artifact_dir), queue)
    finally:
        sessions.kw["bind"].dispose()
