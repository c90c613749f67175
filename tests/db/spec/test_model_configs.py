import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.model_configs import check_configs


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"configuration_files": ["config.4.0.0.json"]}, "configuration_files"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"model_type": None}, "model_type"),
        ({"model_type": "x" * 101}, "model_type"),
    ],
)
def test_a_config_that_names_another_file_or_no_type_is_refused(
    tmp_path: Path, config: dict[str, Any], says: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecRefusedError, match=says) as refused:
        check_configs(tmp_path, "local:it")
    assert (refused.value.field, refused.value.code) == ("model", "malformed_config")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_config_that_transformers_cannot_decode_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "config.json").write_bytes('{"model_type": "llama"}'.encode(encoding))
    with pytest.raises(SpecRefusedError, match="is not JSON"):
        check_configs(tmp_path, "local:it")
