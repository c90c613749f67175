"""Names of models and texts in buckets: their form, and what the operator allows."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from db.buckets.location import BucketLocation
from db.buckets.readable_buckets import ReadableBuckets
from db.core.errors import SpecRefusedError
from db.spec.inputs.bucket_references import S3File, S3Folder
from db.spec.inputs.references import parse_dataset, parse_model

COPIES = Path("/data/inputs")
BUCKETS = ReadableBuckets(("s3://models/team", "s3://texts"), COPIES)


def refusal(name: str, field: str = "model", revision: str | None = None) -> SpecRefusedError:
    parse: Callable[[], object]
    if field == "model":
        parse = partial(parse_model, name, revision, (), BUCKETS)
    else:
        parse = partial(parse_dataset, name, (), field, buckets=BUCKETS)
    with pytest.raises(SpecRefusedError) as refused:
        parse()
    assert refused.value.remedy
    return refused.value


@pytest.mark.parametrize("name", ["s3://models/team/llama", "s3://models/team/llama/"])
def test_a_model_in_an_allowed_bucket_is_a_folder(name: str) -> None:
    location = BucketLocation("models", "team/llama")
    assert parse_model(name, None, (), BUCKETS) == S3Folder(location, name, COPIES)


def test_a_text_in_an_allowed_bucket_is_a_file_and_has_a_field() -> None:
    name = "s3://texts/en/a.jsonl"
    expected = S3File(BucketLocation("texts", "en"), "a.jsonl", name, COPIES, "body")
    assert parse_dataset(name, (), "eval_dataset", None, "body", BUCKETS) == expected
    top = parse_dataset("s3://texts/a.txt", (), buckets=BUCKETS)
    assert isinstance(top, S3File)
    assert top.location == BucketLocation("texts", "")


@pytest.mark.parametrize(
    "name",
    [
        "s3://",
        "s3://Models/a",
        "s3://models/team/../other",
        "s3://models/team//llama",
        "s3://models/team/./llama",
        "s3://models/team/%2e%2e",
        "s3://models/team/a b",
        "s3://models/team/a\n",
        "s3://models/team/a?versionId=1",
        "s3://key:secret@models/team/a",
        "s3://models:9000/team/a",
        "s3://[models/team",
        "https://models.example/team",
        "S3://models/team/llama",
    ],
)
def test_a_name_of_another_form_is_refused(name: str) -> None:
    refused = refusal(name)
    assert (refused.field, refused.value, refused.code) == ("model", name, "invalid_name")


@pytest.mark.parametrize("name", ["s3://texts", "s3://texts/en/", f"s3://texts/{'a' * 201}"])
def test_a_text_needs_the_name_of_a_file(name: str) -> None:
    refused = refusal(name, "eval_dataset")
    assert (refused.field, refused.code) == ("eval_dataset", "invalid_name")


@pytest.mark.parametrize("name", ["s3://models/other/a", "s3://models/team2", "s3://private/a"])
@pytest.mark.parametrize("field", ["model", "dataset"])
def test_a_location_that_the_operator_does_not_list_is_refused(name: str, field: str) -> None:
    refused = refusal(name, field)
    assert (refused.field, refused.value, refused.code) == (field, name, "input_not_allowed")
    assert "allowed: s3://models/team, s3://texts" in refused.reason
    assert "ZPRUNER_INPUT_URLS" in refused.remedy


def test_by_default_no_bucket_is_allowed() -> None:
    for buckets in (None, ReadableBuckets((), COPIES)):
        with pytest.raises(SpecRefusedError, match="allowed: none"):
            parse_model("s3://models/team/llama", None, (), buckets)


def test_a_folder_in_a_bucket_has_no_revision() -> None:
    refused = refusal("s3://models/team/llama", revision="main")
    assert (refused.field, refused.value) == ("revision", "main")
    assert refused.code == "revision_of_a_folder"


def test_the_command_line_reads_no_buckets() -> None:
    with pytest.raises(SpecRefusedError, match="URLs and chained paths are not supported"):
        parse_model("s3://models/team/llama", None, None, BUCKETS)
