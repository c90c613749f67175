from pathlib import Path

import pytest

from db.startup.artifact_storage import check_artifacts
from db.startup.settings import Settings


def finding(folder: Path, url: str | None) -> tuple[str, str]:
    fields = {"_env_file": None, "data_dir": folder, "artifact_url": url}
    [found] = check_artifacts(Settings.model_validate(fields))
    return found.state, found.text


def test_without_the_setting_the_data_folder_is_checked_elsewhere(tmp_path: Path) -> None:
    settings = Settings.model_validate({"_env_file": None, "data_dir": tmp_path})
    assert check_artifacts(settings) == []
    assert settings.artifact_dir == tmp_path / "artifacts"
    assert settings.upload_dir == tmp_path / "uploads"


def test_a_folder_has_artifacts_and_uploads_and_must_be_writable(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    assert finding(tmp_path, url) == ("ok", f"{tmp_path}/shared")
    settings = Settings.model_validate({"_env_file": None, "artifact_url": url})
    assert settings.artifact_dir == tmp_path / "shared" / "artifacts"
    assert settings.upload_dir == tmp_path / "shared" / "uploads"
    (tmp_path / "shared").write_text("no folder")
    state, text = finding(tmp_path, url)
    assert (state, "ZPRUNER_ARTIFACT_URL=file://" in text) == ("wrong", True)


def test_a_bucket_is_ok_and_a_missing_one_is_named_with_its_setting(
    tmp_path: Path, bucket_url: str
) -> None:
    assert finding(tmp_path, bucket_url) == ("ok", bucket_url)
    state, text = finding(tmp_path, "s3://zpruner-missing")
    assert (state, "ZPRUNER_ARTIFACT_URL=s3://zpruner-missing" in text) == ("wrong", True)


@pytest.mark.parametrize("url", ["/srv", "s3://A", "https://bucket"])
def test_another_url_is_refused_when_the_settings_are_read(url: str) -> None:
    with pytest.raises(ValueError, match="artifact_url"):
        Settings.model_validate({"_env_file": None, "artifact_url": url})
