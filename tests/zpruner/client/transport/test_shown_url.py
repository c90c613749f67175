"""The URL of a service, as messages show it."""

import pytest

from zpruner.client.transport.shown_url import shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("HTTPS://ada:s3cret@host/base", "HTTPS://host/base"),
        ("http://ada@host", "http://host"),
        ("ada:s3cret@host", "host"),
        ("http://ada:s3/c@r?e#t@host:8000", "http://host:8000"),
        ("http://ada:s3\ncret@host", "http://host"),
    ],
)
def test_a_url_is_shown_without_user_name_and_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown
