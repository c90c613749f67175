from ipaddress import ip_address, ip_network

import pytest

from db.core.errors import AddressRefusedError
from db.webhooks.addresses import MAX_LENGTH, Networks, check_address, is_allowed

INSIDE: Networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.0/8"))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/hooks/1?token=a%20b",
        "HTTPS://Example.COM/",
        "https://xn--bcher-kva.example/",
        "https://my_service.example./",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
    ],
)
def test_a_public_address_is_accepted(url: str) -> None:
    check_address(url, ())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "contains characters that no URL may contain"),
        ("example.com/hook", "not an https URL"),
        ("ftp://example.com/", "not an https URL"),
        ("file:///etc/passwd", "not an https URL"),
        ("https:///path", "has no host"),
        ("https://-a.example/", "has no host"),
        ("https://exa%6dple.com/", "has no host"),
        ("https://user:secret@example.com/", "carries credentials"),
        ("https://@example.com/", "carries credentials"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:0x50/", "cannot be parsed"),
        ("https://example.com:99999/", "cannot be parsed"),
        ("https://[::1/", "cannot be parsed"),
        ("https://exa\tmple.com/", "contains characters that no URL may contain"),
        ("https://example.com/\n", "contains characters that no URL may contain"),
        ("https://bücher.example/", "contains characters that no URL may contain"),
        ("https://good.example\\@10.0.0.1/", "contains characters that no URL may contain"),
        ("https://example.com/" + "a" * MAX_LENGTH, "too long"),
        ("http://example.com/", "not encrypted"),
        ("http://93.184.216.34/", "not encrypted"),
        ("https://127.0.0.1/", "private network"),
        ("https://localhost:8000/", "private network"),
        ("https://a.localhost./", "private network"),
        ("https://10.1.2.3/", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://100.64.0.1/", "private network"),
        ("https://0.0.0.0/", "private network"),
        ("https://224.0.0.1/", "private network"),
        ("https://255.255.255.255/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://[::]/", "private network"),
        ("https://[fd00::1]/", "private network"),
        ("https://[fe80::1]/", "private network"),
        ("https://[fec0::1]/", "private network"),
        ("https://[::ffff:10.0.0.1]/", "private network"),
        ("https://[64:ff9b::a00:1]/", "private network"),
        ("https://[2002:a00:1::]/", "private network"),
        ("https://192.88.99.1/", "private network"),
        ("https://168.63.129.16/", "private network"),
        ("https://[::ffff:168.63.129.16]/", "private network"),
        ("https://[3fff::1]/", "private network"),
        ("https://[3fff:fff:ffff::1]/", "private network"),
        ("https://[64:ff9b:1::a00:1]/", "private network"),
        ("https://example.com:0/", "cannot be parsed: no server can have the port 0"),
        ("https://2130706433/", "abbreviates an IP address"),
        ("https://127.1/", "abbreviates an IP address"),
        ("https://0x7f.0.0.1/", "abbreviates an IP address"),
        ("https://0177.0.0.1/", "abbreviates an IP address"),
        ("https://127.0.0.0x1/", "abbreviates an IP address"),
    ],
)
def test_an_address_that_is_private_or_malformed_is_rejected(url: str, reason: str) -> None:
    with pytest.raises(AddressRefusedError, match=reason) as caught:
        check_address(url, ())
    assert caught.value.field == "url"
    assert caught.value.remedy
    assert len(str(caught.value)) < 600


def test_the_error_does_not_repeat_a_password() -> None:
    with pytest.raises(AddressRefusedError) as caught:
        check_address("https://user:hunter2@example.com/", ())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://10.1.2.3/",
        "http://10.1.2.3:9000/hook",
        "http://127.0.0.1:9000/",
        "http://localhost:9000/",
        "http://[fd00::7]/",
        "http://[::ffff:10.1.2.3]/",
        "http://receiver.internal/",  # whether it is internal shows when it is resolved
        "https://example.com/",
    ],
)
def test_configured_networks_are_allowed_without_encryption(url: str) -> None:
    check_address(url, INSIDE)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://192.168.0.1/", "private network"),
        ("http://192.168.0.1/", "private network"),
        ("http://93.184.216.34/", "not encrypted"),
    ],
)
def test_an_allowed_network_allows_no_other(url: str, reason: str) -> None:
    with pytest.raises(AddressRefusedError, match=reason):
        check_address(url, INSIDE)


@pytest.mark.parametrize(
    ("address", "encrypted", "plain"),
    [
        ("93.184.216.34", True, False),
        ("64:ff9b::5db8:d822", True, False),
        ("10.0.0.1", True, True),
        ("64:ff9b::a00:1", True, True),
        ("192.168.0.1", False, False),
        ("fe80::1%eth0", False, False),
    ],
)
def test_a_resolved_address_is_checked_like_a_literal_one(
    address: str, encrypted: bool, plain: bool
) -> None:
    assert is_allowed(ip_address(address), INSIDE) is encrypted
    assert is_allowed(ip_address(address), INSIDE, encrypted=False) is plain
