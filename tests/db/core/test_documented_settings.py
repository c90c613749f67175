"""What docs/settings.md says that can be set is what can be set."""

import re
from pathlib import Path

from api.settings import ApiSettings
from db.startup.setting_names import NAMES
from worker.settings import WorkerSettings
from zpruner.serve.serve import ServeSettings

TOLD = set(
    re.findall(r"`(ZPRUNER_\w+)`", (Path(__file__).parents[3] / "docs/settings.md").read_text())
)
OF_THE_CLIENT = {"ZPRUNER_URL", "ZPRUNER_API_KEY"}
# A process tells these to its children.
NOT_FOR_PEOPLE = {"ZPRUNER_INSTANCE", "ZPRUNER_LISTENING", "ZPRUNER_WORKER_ID"}
WITHOUT_PREFIX = {"hf_endpoint"}


FIELDS = {
    f"ZPRUNER_{name.upper()}"
    for settings in (ApiSettings, WorkerSettings, ServeSettings)
    for name in settings.model_fields.keys() - WITHOUT_PREFIX
}


def test_every_setting_is_told_and_nothing_is_told_that_is_none() -> None:
    assert FIELDS - NOT_FOR_PEOPLE == TOLD - OF_THE_CLIENT


def test_no_setting_is_taken_for_a_misspelt_name() -> None:
    assert NAMES == FIELDS | OF_THE_CLIENT
