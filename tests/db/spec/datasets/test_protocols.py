import pytest

from db.core.errors import SpecRefusedError
from db.spec.datasets.builtin import BUILTIN_DATASETS
from db.spec.datasets.protocols import built_in, protocol_window
from db.spec.inputs.references import Builtin, parse_dataset


@pytest.mark.parametrize("name", [*BUILTIN_DATASETS, "wikitext2@2048", "pile@2", "c4@32768"])
def test_a_named_protocol_is_a_built_in_dataset_and_a_window(name: str) -> None:
    dataset, _, window = name.partition("@")
    reference = parse_dataset(name, [], "eval_dataset")
    assert reference == Builtin(dataset, int(window) if window else None)
    assert reference.name == name
    assert built_in(name) == dataset


def test_the_literature_measures_three_datasets_on_windows_of_2048_tokens() -> None:
    protocols = {one.protocol for one in BUILTIN_DATASETS.values() if one.protocol}
    assert protocols == {"wikitext2@2048", "c4@2048", "ptb@2048"}


@pytest.mark.parametrize("window", ["", "1", "0", "-8", "32769", "2e3", "02048", "2048@1", "٢٠٤٨"])
def test_a_window_that_is_no_length_is_refused(window: str) -> None:
    with pytest.raises(SpecRefusedError, match="no window length from 2 to 32,768") as refused:
        parse_dataset(f"wikitext2@{window}", [], "eval_dataset")
    assert (refused.value.field, refused.value.code) == ("eval_dataset", "invalid_name")
    assert "wikitext2@2048" in refused.value.remedy


def test_a_calibration_takes_no_protocol() -> None:
    with pytest.raises(SpecRefusedError, match="only eval_dataset") as refused:
        parse_dataset("wikitext2@2048", [], "dataset")
    assert (refused.value.field, refused.value.code) == ("dataset", "invalid_name")
    assert "set seq_len" in refused.value.remedy


@pytest.mark.parametrize("name", ["org/name", "org/name@2048", "local:wikitext2@2048"])
def test_only_built_in_datasets_have_protocols(name: str) -> None:
    assert built_in(name) is None


def test_a_built_in_dataset_alone_has_no_window_of_its_own() -> None:
    assert protocol_window("wikitext2", "eval_dataset") is None
