import os
from pathlib import Path

import pytest

from db.core.errors import SpecRefusedError
from db.spec.inputs.references import parse_model


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "roots" / "model").mkdir(parents=True)
    (tmp_path / "secret.safetensors").write_bytes(b"")
    return tmp_path / "roots"


def code_of(root: Path) -> str:
    with pytest.raises(SpecRefusedError) as refused:
        parse_model("local:model", None, [root])
    assert (refused.value.field, refused.value.value) == ("model", "local:model")
    return refused.value.code


def test_a_model_with_a_file_outside_the_roots_is_refused(root: Path) -> None:
    (root / "model" / "model.safetensors").symlink_to(root.parent / "secret.safetensors")
    assert code_of(root) == "outside_roots"
    parse_model(f"local:{root / 'model'}", None, None)


def test_a_link_within_the_roots_is_accepted(root: Path) -> None:
    (root / "shared.json").write_text("{}")
    (root / "model" / "config.json").symlink_to(root / "shared.json")
    parse_model("local:model", None, [root])


def test_a_model_with_a_pipe_among_its_files_is_refused(root: Path) -> None:
    os.mkfifo(root / "model" / "special_tokens_map.json")
    assert code_of(root) == "unreadable_model"
