from api.core.settings import ApiSettings
from db.startup.setting_names import NAMES, NAMES_FILE, PREFIX
from db.startup.settings import Settings
from tools.settings_reference import CLIENT_NAMES, PAGE, names_text, page_text
from worker.settings import WorkerSettings
from zpruner.serve.serve import ServeSettings

CLASSES: list[type[Settings]] = [ApiSettings, WorkerSettings, ServeSettings]
FIELDS = {
    f"{PREFIX}{name.upper()}"
    for part in CLASSES
    for name, field in part.model_fields.items()
    if field.validation_alias is None
}


def test_the_page_of_settings_and_the_known_names_are_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page_text(), "run `make generated`"
    assert NAMES_FILE.read_text("utf-8") == names_text(), "run `make generated`"


def test_every_field_of_every_part_is_a_known_name() -> None:
    assert FIELDS | {f"{PREFIX}{name}" for name in CLIENT_NAMES} == NAMES


def test_every_known_name_except_internal_ones_is_on_the_page() -> None:
    page = page_text()
    assert {name for name in NAMES if f"`{name}`" not in page} == {
        "ZPRUNER_API_PROCESS",
        "ZPRUNER_API_SHARED_DIR",
        "ZPRUNER_INSTANCE",
        "ZPRUNER_LISTENING",
        "ZPRUNER_WORKER_ID",
    }


def test_the_page_gives_unit_bounds_default_and_meaning() -> None:
    page = page_text()
    assert "| `ZPRUNER_PORT` | integer, ≥ 1, ≤ 65535 | `8000` | The port" in page
    assert "seconds, ≥ 0 | `45`; `5` under `zpruner serve` | How long" in page
    assert "| `text`, `json` | `text` | `json` writes" in page
