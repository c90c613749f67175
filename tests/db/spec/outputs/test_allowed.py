import pytest

from db.core.errors import SpecRefusedError
from db.spec.outputs.allowed import check_targets, is_below
from db.spec.outputs.targets import parse_target

ALLOWED = ("https://mlflow.example", "s3://bucket/models", "https://minio.example/team/")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://mlflow.example", "https://mlflow.example"),
        ("https://MLFLOW.example/", "https://mlflow.example"),
        ("https://mlflow.example/a", "https://mlflow.example/"),
        ("s3://bucket/models/a", "s3://bucket/models"),
        ("https://minio.example/team", "https://minio.example/team/"),
    ],
)
def test_a_url_is_below_itself_and_below_its_parents(url: str, allowed: str) -> None:
    assert is_below(url, allowed)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://mlflow.example", "https://mlflow.example"),
        ("https://mlflow.example:8443", "https://mlflow.example"),
        ("https://mlflow.example.evil", "https://mlflow.example"),
        ("s3://bucket/models-of-others", "s3://bucket/models"),
        ("s3://bucket", "s3://bucket/models"),
        ("https://bucket/models", "s3://bucket/models"),
    ],
)
def test_a_url_is_not_below_another(url: str, allowed: str) -> None:
    assert not is_below(url, allowed)


def test_the_hub_needs_no_permission_and_other_targets_name_the_setting() -> None:
    hub = parse_target({"hub": "org/name", "secret": "hf"})
    bucket = parse_target({"s3": "s3://bucket/models", "secret": "key"})
    fields = {"s3": "s3://team/x", "endpoint": "https://minio.example", "secret": "key"}
    server = parse_target({"mlflow": "https://mlflow.example/sub", "experiment": "e"})
    check_targets([hub, bucket, parse_target(fields), server], ALLOWED)
    check_targets([hub], ())
    with pytest.raises(SpecRefusedError) as caught:
        check_targets([hub, parse_target(fields | {"s3": "s3://other"})], ALLOWED)
    error = caught.value
    assert (error.field, error.value) == ("output.1.s3", "https://minio.example/other")
    assert "s3://bucket/models" in error.reason
    assert "ZPRUNER_OUTPUT_URLS" in error.remedy
