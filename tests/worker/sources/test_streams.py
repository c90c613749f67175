from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.inputs.references import Builtin, DatasetReference, HubDataset
from tests.hub import Hub
from tests.worker.sources.builders import as_json, jsonl, jsonl_gz, parquet
from tests.worker.sources.calls import calibrate, no_chat
from worker.sources import streams
from worker.sources.datasets import evaluation_windows
from worker.sources.documents import Part, Text
from worker.sources.encoding import Tokenizer
from worker.sources.texts import load_texts

WIKITEXT, WIKITEXT_103 = "wikitext-2-raw-v1", "wikitext-103-raw-v1"
CARD = f"""---
configs:
- config_name: {WIKITEXT_103}
  data_files: [{{split: train, path: "{WIKITEXT_103}/train-*"}}]
- config_name: {WIKITEXT}
  data_files:
  - {{split: test, path: "{WIKITEXT}/test-*"}}
  - {{split: train, path: "{WIKITEXT}/train-*"}}
---
""".encode()


@pytest.fixture
def hub(datasets_hub: Hub) -> Hub:
    return datasets_hub


def refusal(reference: DatasetReference, part: Part = "calibration") -> SpecRefusedError:
    with pytest.raises(SpecRefusedError) as refused:
        load_texts(reference, part, no_chat, field="eval_dataset")
    assert refused.value.field == "eval_dataset"
    assert refused.value.value == reference.name
    assert refused.value.remedy
    return refused.value


def both(reference: DatasetReference) -> tuple[Text, Text]:
    return load_texts(reference, "calibration", no_chat), load_texts(
        reference, "evaluation", no_chat
    )


def test_wikitext2_is_its_train_and_test_rows_joined_by_empty_lines(
    hub: Hub, tokenizer: Any
) -> None:
    files = {
        "README.md": CARD,
        f"{WIKITEXT_103}/train-00000-of-00001.parquet": parquet(["wrong"]),
        f"{WIKITEXT}/train-00000-of-00001.parquet": parquet(["", " = A = \n", "", "text \n"]),
        f"{WIKITEXT}/test-00000-of-00001.parquet": parquet(["", " = B = \n"]),
    }
    repo = hub.add_dataset("Salesforce/wikitext", files)

    calibration, evaluation = both(Builtin("wikitext2"))

    assert calibration.joined == "\n\n = A = \n\n\n\n\ntext \n"
    assert evaluation.joined == "\n\n = B = \n"
    assert (calibration.split, evaluation.split) == ("train", "test")
    assert calibration.revision == repo.sha


def c4(hub: Hub, train: list[str], validation: list[str]) -> None:
    files = {
        "README.md": b"# C4",
        "en/c4-train.00000-of-01024.json.gz": jsonl_gz(train),
        "en/c4-train.00001-of-01024.json.gz": b"not asked for",
        "en/c4-validation.00000-of-00008.json.gz": jsonl_gz(validation),
    }
    hub.add_dataset("allenai/c4", files)


def test_c4_draws_windows_from_long_documents_of_one_shard(hub: Hub, tokenizer: Any) -> None:
    c4(hub, ["short"] * 20 + [letter * 40 for letter in "abcdef"], ["held out " * 3] * 3)
    options: dict[str, Any] = {"samples": 4, "seq_len": 16}

    windows = calibrate(Builtin("c4"), tokenizer, seed=1, **options)
    again = calibrate(Builtin("c4"), tokenizer, seed=1, **options)
    other = calibrate(Builtin("c4"), tokenizer, seed=2, **options)

    pieces = [tokenizer.decode(ids) for ids in windows.ids]
    assert all(len(set(piece)) == 1 and len(piece) == 16 for piece in pieces)
    assert len(set(pieces)) == 4
    assert windows.ids.equal(again.ids)
    assert not windows.ids.equal(other.ids)
    assert not hub.downloads("en/c4-train.00001-of-01024.json.gz")


def test_c4_is_evaluated_on_the_beginning_of_its_validation(hub: Hub, tokenizer: Any) -> None:
    c4(hub, ["unused"], [f"{number:07}" for number in range(1200)])
    windows = evaluation_windows(Builtin("c4"), tokenizer, seq_len=8)
    assert windows.ids.shape == (256, 8)
    assert tokenizer.decode(windows.ids[1]) == "0000001 "
    more = evaluation_windows(Builtin("c4"), tokenizer, seq_len=8, samples=1099)
    assert tokenizer.decode(more.ids[-1]) == "0001098 "


def published(tokenizer: Any, text: str, length: int, most: int | None = None) -> list[list[int]]:
    """Return the evaluation windows as the code of SparseGPT and Wanda cuts them."""
    ids = tokenizer(text, return_tensors="pt").input_ids
    ids = ids if most is None else ids[:, : most * length]
    return [ids[0, i * length : (i + 1) * length].tolist() for i in range(ids.numel() // length)]


def test_the_protocol_of_wikitext2_cuts_its_test_rows_as_published(
    hub: Hub, tokenizer: Any
) -> None:
    rows = {"train": ["unused"], "test": ["", " = A = \n", "text " * 9, ""]}
    files = {
        f"{WIKITEXT}/{split}-00000-of-00001.parquet": parquet(each) for split, each in rows.items()
    }
    files |= {"README.md": CARD, f"{WIKITEXT_103}/train-00000-of-00001.parquet": parquet(["no"])}
    hub.add_dataset("Salesforce/wikitext", files)

    windows = evaluation_windows(Builtin("wikitext2", 8), tokenizer, seq_len=8)

    assert windows.ids.tolist() == published(tokenizer, "\n\n".join(rows["test"]), 8)
    assert windows.provenance["dataset"] == "wikitext2@8"
    assert windows.provenance["bos"] is True
    plain = evaluation_windows(Builtin("wikitext2"), tokenizer, seq_len=8)
    assert plain.provenance["bos"] is False
    assert plain.provenance["token_ids_sha256"] != windows.provenance["token_ids_sha256"]


def test_the_protocol_of_c4_cuts_the_first_1100_pages_into_256_windows_as_published(
    hub: Hub, tokenizer: Any
) -> None:
    pages = [f"{number:07}" for number in range(1200)]
    c4(hub, ["unused"], pages)
    windows = evaluation_windows(Builtin("c4", 16), tokenizer, seq_len=16)
    assert windows.ids.tolist() == published(tokenizer, " ".join(pages[:1100]), 16, 256)
    short = evaluation_windows(Builtin("c4", 64), tokenizer, seq_len=64)
    assert short.ids.tolist() == published(tokenizer, " ".join(pages[:1100]), 64, 256)
    assert len(short.ids) < 256


def test_c4_without_a_document_that_is_long_enough_is_refused(
    hub: Hub, tokenizer: Tokenizer
) -> None:
    c4(hub, ["short"], ["short"])
    with pytest.raises(SpecRefusedError, match="more than 16 tokens") as refused:
        calibrate(Builtin("c4"), tokenizer, samples=1, seq_len=16, seed=0)
    assert refused.value.code == "dataset_too_small"


def test_ptb_is_the_hubs_conversion_of_the_script_that_is_never_run(hub: Hub) -> None:
    files = {
        f"penn_treebank/{split}/0000.parquet": parquet([f"{split} one", "two"], "sentence")
        for split in ("train", "validation", "test")
    }
    hub.add_dataset("ptb-text-only/ptb_text_only", files, branches=("refs/convert/parquet",))
    calibration, evaluation = both(Builtin("ptb"))
    assert (calibration.joined, evaluation.joined) == ("train one two", "test one two")


def test_the_protocol_of_ptb_joins_its_test_sentences_by_spaces_as_published(
    hub: Hub, tokenizer: Any
) -> None:
    sentences = ["no it was n't", "<unk> N years", "the end"]
    files = {
        f"penn_treebank/{split}/0000.parquet": parquet(sentences, "sentence")
        for split in ("train", "validation", "test")
    }
    hub.add_dataset("ptb-text-only/ptb_text_only", files, branches=("refs/convert/parquet",))
    windows = evaluation_windows(Builtin("ptb", 7), tokenizer, seq_len=7)
    assert windows.ids.tolist() == published(tokenizer, " ".join(sentences), 7)
    few = evaluation_windows(Builtin("ptb", 7), tokenizer, seq_len=7, samples=2)
    assert few.ids.equal(windows.ids[:2])


def test_a_text_too_short_for_the_window_of_a_protocol_is_refused(hub: Hub, tokenizer: Any) -> None:
    c4(hub, ["unused"], ["short"])
    with pytest.raises(SpecRefusedError, match="has 6 tokens, a window has 2048") as refused:
        evaluation_windows(Builtin("c4", 2048), tokenizer, seq_len=2048)
    assert refused.value.remedy == "Name a window of at most 6, or name more text."


def test_a_protocol_of_a_dataset_without_a_test_split_measures_every_tenth_document(
    hub: Hub, tokenizer: Any
) -> None:
    rows = [f"document {number:02}" for number in range(20)]
    hub.add_dataset("NeelNanda/pile-10k", {"data/train-00000-of-00001.parquet": parquet(rows)})
    windows = evaluation_windows(Builtin("pile", 12), tokenizer, seq_len=12)
    assert windows.ids.tolist() == published(tokenizer, "document 09\n\ndocument 19", 12)


def test_a_dataset_without_a_test_split_holds_out_every_tenth_document(hub: Hub) -> None:
    rows = [f"document {number}" for number in range(25)]
    hub.add_dataset("NeelNanda/pile-10k", {"data/train-00000-of-00001.parquet": parquet(rows)})

    calibration, evaluation = both(Builtin("pile"))

    assert evaluation.documents == ["document 9", "document 19"]
    assert sorted([*calibration.documents, *evaluation.documents]) == sorted(rows)
    whole = load_texts(Builtin("pile"), "evaluation", no_chat, hold_out=False)
    assert whole.documents == rows
    assert whole.split == "train"


def test_only_the_beginning_of_a_large_dataset_is_read(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_CHARACTERS", 100)
    hub.add_dataset("org/large", {"data.jsonl": jsonl(["x" * 30] * 1000)})
    assert (
        len(load_texts(HubDataset("org/large"), "calibration", no_chat, hold_out=False).documents)
        == 4
    )


@pytest.mark.parametrize(
    ("rows", "column"), [(["a"], "content"), (["a"], "anything"), ([None, "a"], "text")]
)
def test_the_column_of_text_is_found(hub: Hub, rows: Any, column: str) -> None:
    hub.add_dataset("org/set", {"train.parquet": parquet(rows, column)})
    text = load_texts(HubDataset("org/set"), "calibration", no_chat, hold_out=False)
    assert text.documents == ["a"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"README.md": b"# nothing"}, ""),
        ({"set.py": b"open('/tmp/zpruner-canary', 'w')"}, "script"),
        ({"train.parquet": parquet([1, 2], "number")}, "number"),
        ({"train.parquet": parquet([1, 2], "text")}, "text is 1, neither a string"),
        ({"train.parquet": parquet(["", " "])}, "contains no text"),
        ({"train.jsonl": as_json({"a": "x", "b": "y"})}, "a, b"),
        ({"train.jsonl": b'{"text": "a"\n'}, ""),
        ({"train.parquet": b"PAR1 no PAR1"}, ""),
        ({"data.csv": b"text\na\n"}, "Csv"),
        ({"data.pkl": b"\x80\x04."}, ""),
    ],
)
def test_a_repository_without_text_we_read_is_refused(
    hub: Hub, files: dict[str, bytes], says: str
) -> None:
    canary = Path("/tmp/zpruner-canary")
    canary.unlink(missing_ok=True)
    hub.add_dataset("org/set", files)
    refused = refusal(HubDataset("org/set"))
    assert refused.code == "unreadable_dataset"
    assert says in refused.reason
    assert not canary.exists()


def test_a_card_that_names_files_outside_of_the_repository_is_refused(
    hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "secret.jsonl").write_bytes(jsonl(["secret"]))
    secrets = [f"{tmp_path}/secret.jsonl", f"file://{tmp_path}/secret.jsonl", "../secret.jsonl"]
    for path in [*secrets, f"{hub.url}/stolen"]:
        listed = f'configs:\n- config_name: default\n  data_files: "{path}"\n'.encode()
        for cards in ({"README.md": b"---\n" + listed + b"---\n"}, {".huggingface.yaml": listed}):
            hub.datasets.clear()
            hub.add_dataset("org/evil", cards | {"train.jsonl": jsonl(["a"])})
            refused = refusal(HubDataset("org/evil"))
            assert refused.code == "unreadable_dataset"
            assert "outside" in refused.reason
    assert not any("stolen" in request.path for request in hub.requests)


@pytest.mark.parametrize("name", ["json", "pandas", "text"])
def test_a_name_that_the_library_would_read_as_a_builder_reads_no_local_file(
    hub: Hub, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret.jsonl").write_bytes(jsonl(["secret"]))
    assert refusal(HubDataset(name)).code == "dataset_not_found"
    hub.add_dataset(name, {"train.jsonl": jsonl(["a"])})
    assert refusal(HubDataset(name)).code == "invalid_name"


def test_a_local_folder_with_the_name_of_a_hub_dataset_is_not_read(
    hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "org" / "set").mkdir(parents=True)
    (tmp_path / "org" / "set" / "train.jsonl").write_bytes(jsonl(["secret"]))
    hub.add_dataset("org/set", {"train.jsonl": jsonl(["public"])})
    text = load_texts(HubDataset("org/set"), "calibration", no_chat, hold_out=False)
    assert text.documents == ["public"]


def test_several_configurations_are_offered(hub: Hub) -> None:
    files = {f"{name}/train-0.parquet": parquet(["a"]) for name in (WIKITEXT, WIKITEXT_103)}
    hub.add_dataset("Salesforce/wikitext", {"README.md": CARD} | files)
    for config in (None, "none"):
        refused = refusal(HubDataset("Salesforce/wikitext", config))
        assert refused.code == "dataset_config"
        assert WIKITEXT in refused.remedy


def test_a_missing_or_gated_dataset_is_refused_with_the_reason(hub: Hub) -> None:
    hub.add_dataset("org/private", {"train.jsonl": jsonl(["a"])}, token="hf_secret")
    hub.add_dataset("org/gated", {"train.jsonl": jsonl(["a"])}, gated=True)
    assert refusal(HubDataset("org/none")).code == "dataset_not_found"
    assert refusal(HubDataset("org/private")).code == "dataset_not_found"
    assert refusal(HubDataset("org/gated")).code == "hub_denied"


def test_a_hub_that_fails_during_a_download_is_reported_as_unreachable(hub: Hub) -> None:
    hub.add_dataset("org/set", {"train.jsonl": jsonl(["a"])})
    hub.failing["train.jsonl"] = 410  # of the statuses, one that the client does not retry
    assert refusal(HubDataset("org/set")).code == "hub_unreachable"
