from pathlib import Path

import pytest
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from db.core.errors import SpecRefusedError
from db.spec.inputs.references import (
    BUILTINS,
    Builtin,
    HubDataset,
    HubRepo,
    LocalPath,
    parse_dataset,
    parse_model,
    require_safetensors,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "text.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "text.txt").write_text("secret")
    return tmp_path / "models"


def code_of(name: str, roots: list[Path] | None, revision: str | None = None) -> str:
    with pytest.raises(SpecRefusedError) as refused:
        parse_model(name, revision, roots)
    assert refused.value.value in {name, revision}
    assert refused.value.reason
    assert refused.value.remedy
    return refused.value.code


@pytest.mark.parametrize("name", ["gpt2", "meta-llama/Llama-3.1-8B", "a/b_c.d-e", "_a/b"])
def test_a_hub_id_is_a_repository_with_its_revision(name: str) -> None:
    assert parse_model(name, "v1", []) == HubRepo(name, "v1")


@pytest.mark.parametrize(
    "name",
    [
        "https://example.org/model",
        "file:///etc/passwd",
        "zip://a::b",
        "a/b/c",
        "../models/tiny",
        "./tiny",
        "~/tiny",
        "a--b/c",
        "a/..",
        "a..b/c",
        "-a/b",
        "a/b.git",
        "a b",
        "a\nb",
        "a\0b",
        "é/b",
        "a/" + "b" * 96,
        "org/",
        "s3::x",
        "org/name:config",
        "",
    ],
)
def test_a_name_of_another_shape_is_refused(name: str, root: Path) -> None:
    assert code_of(name, [root]) == "invalid_name"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("wikitext-2", "wikitext2"),
        ("WikiText2", "wikitext2"),
        ("C4", "c4"),
        ("ptb_", "ptb"),
    ],
)
def test_a_built_in_dataset_in_another_spelling_is_recognised(name: str, meant: str) -> None:
    with pytest.raises(SpecRefusedError, match=f"Did you mean {meant}"):
        parse_dataset(name, [])
    assert parse_dataset("wikitext", []) == HubDataset("wikitext")


@given(st.text(alphabet="aB9_-./:~ \\é\n\0", max_size=12))
def test_no_name_leaves_the_roots_or_reaches_the_hub_malformed(name: str) -> None:
    try:
        reference = parse_model(name, None, [])
    except SpecRefusedError:
        return
    assert isinstance(reference, HubRepo)
    validate_repo_id(reference.id)


def test_a_folder_below_a_root_is_found_by_relative_and_by_absolute_name(root: Path) -> None:
    for name in ("local:tiny", f"local:{root}/tiny", f"{root}/tiny"):
        assert parse_model(name, None, [root.parent / "none", root]) == LocalPath(
            root / "tiny", name
        )


@pytest.mark.parametrize(
    "name", ["local:../secret", "local:tiny/../../secret", "/etc", "local:/root"]
)
def test_a_path_that_leaves_the_roots_is_refused_whether_or_not_it_exists(
    name: str, root: Path
) -> None:
    assert code_of(name, [root]) == "outside_roots"
    assert code_of(f"{name.rstrip('/')}/missing", [root]) == "outside_roots"


def test_a_link_out_of_the_roots_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    assert code_of("local:link", [root]) == "outside_roots"
    with pytest.raises(SpecRefusedError, match="outside"):
        parse_dataset("local:link/text.txt", [root])


def test_a_folder_whose_name_begins_like_a_root_is_not_below_it(root: Path) -> None:
    (root.parent / "models2").mkdir()
    assert code_of(f"{root}2", [root]) == "outside_roots"


def test_without_roots_no_folder_is_allowed(root: Path) -> None:
    with pytest.raises(SpecRefusedError, match="ZPRUNER_MODEL_ROOTS"):
        parse_model("local:tiny", None, [])


def test_a_missing_folder_or_a_file_is_no_model(root: Path) -> None:
    assert code_of("local:nothing", [root]) == "model_not_found"
    assert code_of("local:text.jsonl", [root]) == "model_not_found"


def test_a_misspelt_local_model_is_answered_with_the_most_similar_one(root: Path) -> None:
    (root / "tiny" / "config.json").write_text("{}")
    for name, roots, meant in (
        ("local:tinny", [root], "local:tiny"),
        (f"local:{root}/tinny", None, f"local:{root}/tiny"),
        (f"{root}/tinny", None, f"local:{root}/tiny"),
    ):
        with pytest.raises(SpecRefusedError, match=r"no such folder\. Did you mean") as refused:
            parse_model(name, None, roots)
        assert refused.value.remedy.startswith(f"Did you mean {meant}? Name")
    with pytest.raises(SpecRefusedError) as other:
        parse_model("local:llama", None, [root])
    assert other.value.remedy == "Name a folder that holds config.json."


def test_a_local_folder_has_no_revision(root: Path) -> None:
    assert code_of("local:tiny", [root], revision="main") == "revision_of_a_folder"


def test_on_the_command_line_paths_and_hub_ids_are_accepted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    assert parse_model("models/tiny", None, None) == LocalPath(root / "tiny", "models/tiny")
    assert parse_model("./models/tiny", None, None) == LocalPath(root / "tiny", "./models/tiny")
    assert parse_model("gpt2", None, None) == HubRepo("gpt2")
    assert parse_dataset("secret/text.txt", None) == LocalPath(
        root.parent / "secret" / "text.txt", "secret/text.txt"
    )
    with pytest.raises(SpecRefusedError, match="no such file"):
        parse_dataset("secret/other.txt", None)


@pytest.mark.parametrize("name", BUILTINS)
def test_a_built_in_name_is_a_built_in(name: str) -> None:
    assert parse_dataset(name, []) == Builtin(name)


def test_a_hub_dataset_may_name_its_configuration() -> None:
    assert parse_dataset("org/name", []) == HubDataset("org/name")
    assert parse_dataset("org/name:en.v1", []) == HubDataset("org/name", "en.v1")
    assert HubDataset("org/name", "en").name == "org/name:en"


@pytest.mark.parametrize("name", ["org/name:", "org/name:a:b", "org/name:../x", "hf://org/name"])
def test_a_malformed_dataset_name_is_refused(name: str) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        parse_dataset(name, [], field="eval_dataset")
    assert (refused.value.code, refused.value.field) == ("invalid_name", "eval_dataset")


def test_a_dataset_that_is_a_folder_or_missing_is_unreadable(root: Path) -> None:
    for name in ("local:tiny", "local:none.txt"):
        with pytest.raises(SpecRefusedError) as refused:
            parse_dataset(name, [root])
        assert refused.value.code == "unreadable_dataset"


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["model.safetensors"], "no_config"),
        (["config.json", "pytorch_model.bin", "model.bin.index.json"], "pickle_only"),
        (["config.json", "weights.pth"], "pickle_only"),
        (["config.json", "README.md", "onnx/model.safetensors"], "no_weights"),
        ([], "no_config"),
    ],
)
def test_a_repository_is_refused_by_its_file_names_alone(names: list[str], code: str) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        require_safetensors(names, "model", "a/b")
    assert refused.value.code == code


def test_safetensors_next_to_pickle_files_are_accepted() -> None:
    require_safetensors(["config.json", "model.safetensors", "pytorch_model.bin"], "model", "a/b")
