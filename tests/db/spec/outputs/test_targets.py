from typing import Any

import pytest
from pydantic import ValidationError

from db.spec.field_errors import reason_of, remedy_of
from db.spec.outputs.targets import HubOutput, MlflowOutput, S3Output, parse_target
from db.spec.prune_spec import PruneSpec

JOB = {"model": "m", "sparsity": 0.5, "dataset": "c4"}
HUB = {"hub": "org/name", "secret": "hf"}
BUCKET = {"s3": "s3://bucket/a/b", "secret": "key"}
SERVER = {"mlflow": "https://mlflow.example/path", "experiment": "pruning"}


def outputs(*targets: Any) -> tuple[Any, ...]:
    return PruneSpec.model_validate(JOB | {"output": targets}).output


def test_each_target_is_validated_as_its_kind_and_restored_from_its_document() -> None:
    hub, bucket, server = found = outputs(HUB, BUCKET, SERVER)
    assert (type(hub), type(bucket), type(server)) == (HubOutput, S3Output, MlflowOutput)
    assert (hub.private, hub.revision, bucket.region) == (True, "main", "us-east-1")
    documents = [one.model_dump(mode="json", exclude_none=True) for one in found]
    assert [parse_target(one) for one in documents] == list(found)
    stored = PruneSpec.model_validate(JOB | {"output": found}).model_dump(mode="json")
    assert PruneSpec.model_validate(stored).output == found


def test_an_address_names_the_place() -> None:
    other = BUCKET | {"endpoint": "https://minio.example/"}
    assert [one.address for one in outputs(HUB, BUCKET, other, SERVER)] == [
        "hub:org/name@main",
        "s3://bucket/a/b",
        "https://minio.example/bucket/a/b",
        "https://mlflow.example/path#pruning",
    ]


@pytest.mark.parametrize(
    ("target", "place", "why"),
    [
        ({}, (), "has none of hub, s3 and mlflow"),
        ("hub:org/name", (), "has none of hub, s3 and mlflow"),
        (HUB | BUCKET, (), "has none of hub, s3 and mlflow"),
        ({"hub": "org/name"}, ("secret",), "required"),
        (HUB | {"hub": "name"}, ("hub",), "such as org/name"),
        (HUB | {"hub": "org/../name"}, ("hub",), "such as org/name"),
        (HUB | {"private": "yes"}, ("private",), "Use true or false."),
        (HUB | {"token": "hf_x"}, ("token",), "not permitted"),
        (BUCKET | {"s3": "https://bucket"}, ("s3",), "such as s3://bucket/prefix"),
        (BUCKET | {"s3": "s3://bucket/../other"}, ("s3",), "such as s3://bucket/prefix"),
        (BUCKET | {"s3": "s3://bucket/%2e%2e"}, ("s3",), "such as s3://bucket/prefix"),
        (BUCKET | {"endpoint": "https://a:b@minio.example"}, ("endpoint",), "a URL"),
        (SERVER | {"mlflow": "https://mlflow.example?x=1"}, ("mlflow",), "a URL"),
        (SERVER | {"mlflow": "file:///etc"}, ("mlflow",), "a URL"),
        (SERVER | {"experiment": ""}, ("experiment",), "at most 200 characters"),
    ],
)
def test_a_malformed_target_is_refused_at_its_place(
    target: object, place: tuple[str, ...], why: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        outputs(target)
    (error,) = caught.value.errors()
    assert error["loc"] == ("output", 0, *place)
    assert why in f"{reason_of(error)}. {remedy_of(error, ['output'])}"


def test_a_job_has_at_most_five_targets_and_no_two_equal() -> None:
    assert len(outputs(*(HUB | {"hub": f"org/{n}"} for n in range(5)))) == 5
    with pytest.raises(ValidationError, match="at most 5 items"):
        outputs(*(HUB | {"hub": f"org/{n}"} for n in range(6)))
    with pytest.raises(ValidationError, match="Two targets are the same: hub:org/name@main"):
        outputs(HUB, HUB | {"private": False})
