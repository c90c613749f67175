from pathlib import Path

import pytest

from db.buckets.location import BucketLocation, parse_bucket, parse_location


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("file:///srv/zpruner", Path("/srv/zpruner")),
        ("file://localhost/srv/a%20b", Path("/srv/a b")),
        ("s3://models", BucketLocation("models", "")),
        ("s3://models/", BucketLocation("models", "")),
        ("s3://models/a/b_c/", BucketLocation("models", "a/b_c")),
    ],
)
def test_a_url_names_a_folder_or_a_bucket(url: str, location: Path | BucketLocation) -> None:
    assert parse_location(url) == location


@pytest.mark.parametrize(
    "url",
    [
        "",
        "models",
        "/srv/zpruner",
        "gs://models",
        "file://srv/zpruner",
        "file://",
        "file:///",
        "s3://",
        "s3://Models",
        "s3://m",
        "s3://key:secret@models",
        "s3://models/../other",
        "s3://models/a b",
        "s3://models/a?versionId=1",
        "s3://models/a#b",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"should be|not the name|may not contain"):
        parse_location(url)


def test_keys_are_below_the_prefix() -> None:
    assert BucketLocation("models", "a/b").key("c/d") == "a/b/c/d"
    assert BucketLocation("models", "").key("c/d") == "c/d"
    assert str(BucketLocation("models", "a")) == "s3://models/a"


@pytest.mark.parametrize(
    ("above", "below", "is_contained"),
    [
        ("s3://models", "s3://models", True),
        ("s3://models", "s3://models/a/b", True),
        ("s3://models/a", "s3://models/a", True),
        ("s3://models/a", "s3://models/a/b", True),
        ("s3://models/a", "s3://models/ab", False),
        ("s3://models/a/b", "s3://models/a", False),
        ("s3://models", "s3://models2/a", False),
    ],
)
def test_a_location_contains_what_is_below_it(above: str, below: str, is_contained: bool) -> None:
    assert parse_bucket(above).contains(parse_bucket(below)) is is_contained


@pytest.mark.parametrize("url", ["file:///srv", "s3://models//a", "s3://models/a\n", "S3://models"])
def test_the_url_of_a_bucket_has_one_form(url: str) -> None:
    with pytest.raises(ValueError, match="should be s3://bucket/path"):
        parse_bucket(url)
