"""docs/settings.md documents exactly the settings that exist."""

import re
from pathlib import Path

from api.settings import ApiSettings
from db.startup.setting_names import NAMES
from worker.settings import WorkerSettings
from zpruner.serve.serve import ServeSettings

DOCUMENTED = set(
    re.findall(r"`(ZPRUNER_\w+)`", (Path(__file__).parents[3] / "docs/settings.md").read_text())
)
CLIENT_VARIABLES = {"ZPRUNER_URL", "ZPRUNER_API_KEY"}
# A process sets these for its child processes.
INTERNAL = {"ZPRUNER_INSTANCE", "ZPRUNER_LISTENING", "ZPRUNER_WORKER_ID"}
WITHOUT_PREFIX = {"hf_endpoint"}


FIELDS = {
    f"ZPRUNER_{name.upper()}"
    for settings in (ApiSettings, WorkerSettings, ServeSettings)
    for name in settings.model_fields.keys() - WITHOUT_PREFIX
}


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert FIELDS - INTERNAL == DOCUMENTED - CLIENT_VARIABLES


def test_every_setting_is_a_known_name() -> None:
    assert NAMES == FIELDS | CLIENT_VARIABLES
