"""Couriers beside each other, with slow receivers, stopped, killed, without a database."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from db.core.session import Sessions, migrate, open_sessions
from db.tables.webhooks import DeliveryStatus
from tests.worker.webhooks.messages import (
    LOOPBACK,
    deliver,
    deliveries,
    make_courier,
    make_due,
    make_webhook,
    until,
)
from tests.worker.webhooks.receivers import receiving, saying
from tests.worker.webhooks.test_courier import ids, verified
from worker.webhooks.courier import Courier
from worker.webhooks.sender import Sender


def test_two_couriers_at_once_send_each_message_once(sessions: Sessions) -> None:
    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=20)
        make_webhook(sessions, receiver.url, tests=20)
        couriers = [make_courier(sessions, every_s=0.01) for _ in range(2)]
        for courier in couriers:
            courier.start()
        until(lambda: {one.status for one in deliveries(sessions)} == {DeliveryStatus.delivered})
        for courier in couriers:
            courier.stop()
    assert Counter(ids(receiver)) == Counter(one.id for one in deliveries(sessions))


def deliver_in_a_process(url: str) -> None:
    deliver(open_sessions(url))


def test_a_courier_killed_when_the_message_has_arrived_sends_it_again_as_the_same(
    sessions: Sessions, database_url: str
) -> None:
    courier = multiprocessing.get_context("spawn").Process(
        target=deliver_in_a_process, args=(database_url,)
    )

    def kill(handler: BaseHTTPRequestHandler) -> None:
        if len(receiver.requests) == 1:
            assert courier.pid is not None
            os.kill(courier.pid, signal.SIGKILL)
        saying(204)(handler)

    with receiving(kill) as receiver:
        webhook = make_webhook(sessions, receiver.url, tests=1)
        courier.start()
        courier.join(60)
        assert courier.exitcode == -signal.SIGKILL
        assert deliver(sessions) == 0, "the dead one's claim holds for a while"
        make_due(sessions)
        assert deliver(sessions) == 1
    (delivery,) = deliveries(sessions)
    assert ids(receiver) == [delivery.id] * 2
    assert receiver.requests[0].body == receiver.requests[1].body
    assert verified(receiver.requests[1], webhook.secret)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.delivered, 2)


def test_a_slow_receiver_delays_only_its_own(sessions: Sessions) -> None:
    hold, waiting = threading.Event(), threading.Semaphore(0)

    def wait(handler: BaseHTTPRequestHandler) -> None:
        waiting.release()
        hold.wait(60)
        saying(204)(handler)

    with receiving(wait) as slow, receiving() as quick:
        make_webhook(sessions, slow.url, tests=30)
        make_webhook(sessions, quick.url, tests=8)
        courier = make_courier(sessions, every_s=0.01)
        courier.start()
        until(lambda: len(quick.requests) == 8)
        assert len(slow.requests) <= 4
        hold.set()
        until(lambda: {one.status for one in deliveries(sessions)} == {DeliveryStatus.delivered})
        courier.stop()
    assert len(slow.requests) == 30


def test_a_courier_that_is_told_to_stop_does_not_wait_for_the_slow(sessions: Sessions) -> None:
    hold = threading.Event()
    with receiving(lambda _: hold.wait(60)) as slow:
        make_webhook(sessions, slow.url, tests=9)
        courier = make_courier(sessions, every_s=60)
        courier.start()
        until(lambda: len(slow.requests) == 4)
        started = time.monotonic()
        courier.stop(grace_s=0.2)
        assert time.monotonic() - started < 30
        hold.set()
        courier.wait(60)
    assert courier.send_due() == 0
    assert len(slow.requests) == 4


def test_a_courier_that_stops_notes_what_arrives_in_time(sessions: Sessions) -> None:
    hold = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        hold.wait(60)
        saying(204)(handler)

    with receiving(answer) as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        courier = make_courier(sessions, every_s=60)
        courier.start()
        until(lambda: len(receiver.requests) == 1)
        threading.Timer(0.2, hold.set).start()
        courier.stop(grace_s=60)
    assert [one.status for one in deliveries(sessions)] == [DeliveryStatus.delivered]


def test_a_courier_waits_for_a_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'later.db'}"
    sessions = open_sessions(url)
    courier = make_courier(sessions, every_s=0.02)
    courier.start()
    until(lambda: "what is due cannot be looked up" in caplog.text)
    migrate(url)
    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        until(lambda: len(receiver.requests) == 1)
        courier.stop()
    sessions.kw["bind"].dispose()


def test_a_courier_goes_on_after_whatever_it_did_not_foresee(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    class Stumbling(Courier):
        def send_due(self) -> int:
            if not caplog.records:
                raise MemoryError
            return super().send_due()

    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        courier = Stumbling(sessions, Sender(LOOPBACK), every_s=0.02)
        courier.start()
        until(lambda: len(receiver.requests) == 1)
        courier.stop()
    assert "what is due cannot be sent" in caplog.text
