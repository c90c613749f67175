"""Where no message may go, however the way there is written: nothing is even connected to."""

import socket
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from tests.worker.webhooks.receivers import Receiver, receiving
from worker.webhooks.sender import Sender

PUBLIC = "93.184.215.14"
CONNECTED: list[Any] = []


def note(name: str, arguments: tuple[Any, ...]) -> None:
    """Keep every address that this thread connects to, and let none out of this machine."""
    if name == "socket.connect" and threading.current_thread() is threading.main_thread():
        CONNECTED.append(arguments[1])
        if arguments[1][0] == PUBLIC:
            raise ConnectionRefusedError


sys.addaudithook(note)

HOSTS = [
    # this machine
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    # an IPv4 address within one of IPv6
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2001:0:7f00:1::80ff:fffe]",
    # private networks, and what is in them at every cloud
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "100.64.0.1",
    "100.100.100.200",
    "[fd00:ec2::254]",
    "[fc00::1]",
    "[fe80::1]",
    "[fec0::1]",
    # unspecified, broadcast, examples
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:db8::1]",
]


@pytest.fixture(scope="module")
def listener() -> Iterator[Receiver]:
    with receiving(host="0.0.0.0") as receiver:
        yield receiver
        assert receiver.requests == []


@pytest.fixture
def connected() -> list[Any]:
    """Whatever is connected to from now on."""
    CONNECTED.clear()
    return CONNECTED


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", HOSTS)
def test_no_message_is_sent_to_a_private_address(
    scheme: str, host: str, listener: Receiver, connected: list[Any]
) -> None:
    outcome = Sender().send(f"{scheme}://{host}:{listener.port}/", "{}", {})
    assert outcome.status is None
    assert outcome.error is not None
    assert connected == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_message_is_sent_to_a_name_with_a_private_address(
    host: str, listener: Receiver, connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, inner = socket.getaddrinfo, host.strip("[]")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *args, **options: real(inner, *args, **options)
    )
    outcome = Sender().send(f"https://public.example:{listener.port}/", "{}", {})
    assert outcome.error is not None
    assert outcome.error.startswith("public.example ")
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14@127.0.0.1:{}/",
        "http://127.0.0.1:{}\\@93.184.215.14/",
        "http://127.0.0.1:{}#@93.184.215.14/",
        "http://127.0.0.1:{}?@93.184.215.14/",
        "http:///127.0.0.1:{}/",
        "http:127.0.0.1:{}/",
        "//127.0.0.1:{}/",
        "http://127.0.0.1:{}%2f@93.184.215.14/",
        "http://127.0.0.1%00:{}/",
        "http://127.0.0.1:{}/\r\nhost: public.example",
        "http://[::1%25lo]:{}/",
        "http://[::ffff:127.0.0.1%25lo]:{}/",
        "http+unix://127.0.0.1:{}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{}/",
        "ftp://127.0.0.1:{}/",
        "http://:{}/",
        "http://127.0.0.1:99999/",
        "http://-/",
        "http://" + "a" * 300 + ":{}/",
        "",
    ],
)
def test_an_ambiguous_address_is_not_mistaken_for_a_public_one(
    url: str, listener: Receiver, connected: list[Any]
) -> None:
    outcome = Sender().send(url.format(listener.port), "{}", {})
    assert outcome.status is None
    assert outcome.error is not None
    assert connected == []


def test_public_addresses_are_tried(connected: list[Any]) -> None:
    """The check would refuse nothing if it refused everything."""
    assert Sender().send(f"https://{PUBLIC}:9/", "{}", {}).status is None
    assert connected == [(PUBLIC, 9)]


def test_without_tls_even_public_addresses_have_to_be_allowed(connected: list[Any]) -> None:
    for allowed, tried in (((), 0), ((ip_network(f"{PUBLIC}/32"),), 1)):
        Sender(allowed).send(f"http://{PUBLIC}:9/", "{}", {})
        assert len(connected) == tried


def test_an_allowed_network_does_not_allow_others(connected: list[Any]) -> None:
    sender = Sender((ip_network("10.0.0.0/8"),))
    for host in ("127.0.0.1", "192.168.0.1", "[::ffff:127.0.0.1]"):
        assert sender.send(f"https://{host}/", "{}", {}).error is not None
    assert connected == []


def test_one_private_address_among_public_ones_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch, connected: list[Any]
) -> None:
    real = socket.getaddrinfo

    def look_up(_: str, *args: Any, **options: Any) -> Any:
        return [one for host in (PUBLIC, "::1") for one in real(host, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    outcome = Sender().send("https://both.example/", "{}", {})
    assert outcome.error is not None
    assert "::1" in outcome.error
    assert connected == []
