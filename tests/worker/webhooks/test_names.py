"""A receiver's name: resolved once, verified by its certificate, never redirected."""

import ssl
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
import trustme

from tests.worker.webhooks.posting import send, status_and_error
from tests.worker.webhooks.receivers import Receiver, receiving


def test_an_error_does_not_contain_the_path_of_the_address(names: dict[str, list[str]]) -> None:
    names["hooks.example"] = ["127.0.0.1"]
    for url in ("http://hooks.example:1/s3cret?key=s3cret", "http://other.invalid/s3cret"):
        assert "s3cret" not in str(send(url))


def test_a_name_is_resolved_once_and_later_changes_have_no_effect(
    names: dict[str, list[str]],
) -> None:
    only = (ip_network("127.0.0.2/32"),)
    # In this order: other processes use ports of 127.0.0.1, but none of 127.0.0.2.
    with receiving(host="127.0.0.1") as private:
        with receiving(host="127.0.0.2", port=private.port) as allowed:
            names["flip.example"] = ["127.0.0.2", "127.0.0.1"]
            url = f"http://flip.example:{allowed.port}/hook"
            assert status_and_error(send(url, networks=only)) == (204, None)
            assert names["flip.example"] == ["127.0.0.1"], "it was not resolved exactly once"
            outcome = send(url, networks=only)
        assert private.requests == []
    (request,) = allowed.requests
    assert request.headers["host"] == f"flip.example:{allowed.port}"
    assert outcome.status is None
    assert outcome.error is not None
    assert "127.0.0.1" in outcome.error


def test_a_name_with_one_address_that_is_not_allowed_is_refused(
    names: dict[str, list[str]],
) -> None:
    with receiving(host="127.0.0.2") as allowed:
        names["both.example"] = ["127.0.0.2 127.0.0.1"]
        url = f"http://both.example:{allowed.port}/"
        assert send(url, networks=(ip_network("127.0.0.2/32"),)).status is None
        assert allowed.requests == []


def test_an_unreachable_address_is_skipped(names: dict[str, list[str]]) -> None:
    with receiving(host="127.0.0.2") as receiver:
        names["both.example"] = ["127.0.0.3 127.0.0.2"]
        assert send(f"http://both.example:{receiver.port}/").status == 204


def test_a_name_that_cannot_be_resolved_is_reported() -> None:
    outcome = send("https://nowhere.invalid/")
    assert outcome.status is None
    assert outcome.error is not None
    assert outcome.error.startswith("nowhere.invalid cannot be resolved: ")


class Authority:
    """Says who is who, to those who listen to it."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def named(authority: Authority, names: dict[str, list[str]]) -> Iterator[Receiver]:
    """A receiver that can prove to be hooks.example, and notes the name it is asked for."""
    names["hooks.example"] = names["other.example"] = ["127.0.0.1"]
    context = authority.server("hooks.example", "127.0.0.1")
    with receiving(tls=context) as receiver:
        context.sni_callback = lambda _, name, __: receiver.asked_for.append(name)
        yield receiver


def test_a_certificate_is_checked_against_the_name_and_not_the_address(
    authority: Authority, named: Receiver
) -> None:
    url = f"https://hooks.example:{named.port}/hook"
    assert status_and_error(send(url, tls=authority.client())) == (204, None)
    assert named.asked_for == ["hooks.example"]
    assert named.requests[0].headers["host"] == f"hooks.example:{named.port}"


def test_a_certificate_for_another_name_is_refused(authority: Authority, named: Receiver) -> None:
    outcome = send(f"https://other.example:{named.port}/hook", tls=authority.client())
    assert outcome.status is None
    assert outcome.error is not None
    assert "certificate is not valid for 'other.example'" in outcome.error
    assert named.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(named: Receiver) -> None:
    outcome = send(f"https://hooks.example:{named.port}/hook")
    assert outcome.error is not None
    assert "certificate verify failed" in outcome.error
    assert named.requests == []
