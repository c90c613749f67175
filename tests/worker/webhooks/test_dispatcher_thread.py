"""The dispatcher's thread: two at once, slow receivers, stopped, killed, without a database."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from db.core.session import Sessions, open_sessions
from db.schema.migration import migrate
from db.tables.webhooks import DeliveryStatus
from tests.waiting import DEADLINE_S, eventually
from tests.worker.webhooks.messages import (
    LOOPBACK,
    deliver,
    deliveries,
    make_dispatcher,
    make_due,
    make_webhook,
)
from tests.worker.webhooks.receivers import ids, receiving, saying, verified
from worker.webhooks.dispatcher import WebhookDispatcher
from worker.webhooks.sender import Sender


def are_delivered(sessions: Sessions) -> bool:
    return {one.status for one in deliveries(sessions)} == {DeliveryStatus.delivered}


def test_two_dispatchers_send_each_message_once(sessions: Sessions) -> None:
    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=20)
        make_webhook(sessions, receiver.url, tests=20)
        dispatchers = [make_dispatcher(sessions, every_s=0.01) for _ in range(2)]
        for dispatcher in dispatchers:
            dispatcher.start()
        eventually(
            lambda: {one.status for one in deliveries(sessions)} == {DeliveryStatus.delivered}
        )
        for dispatcher in dispatchers:
            dispatcher.stop()
    assert Counter(ids(receiver)) == Counter(one.id for one in deliveries(sessions))


def deliver_in_a_process(url: str) -> None:
    deliver(open_sessions(url))


def test_a_message_that_arrived_before_the_dispatcher_was_killed_is_sent_again_with_the_same_id(
    sessions: Sessions, database_url: str
) -> None:
    dispatcher = multiprocessing.get_context("spawn").Process(
        target=deliver_in_a_process, args=(database_url,)
    )

    def kill(handler: BaseHTTPRequestHandler) -> None:
        if len(receiver.requests) == 1:
            assert dispatcher.pid is not None
            os.kill(dispatcher.pid, signal.SIGKILL)
        saying(204)(handler)

    with receiving(kill) as receiver:
        webhook = make_webhook(sessions, receiver.url, tests=1)
        dispatcher.start()
        dispatcher.join(DEADLINE_S)
        assert dispatcher.exitcode == -signal.SIGKILL
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
        hold.wait(DEADLINE_S)
        saying(204)(handler)

    with receiving(wait) as slow, receiving() as quick:
        make_webhook(sessions, slow.url, tests=30)
        make_webhook(sessions, quick.url, tests=8)
        dispatcher = make_dispatcher(sessions, every_s=0.01)
        dispatcher.start()
        eventually(lambda: len(quick.requests) == 8)
        assert len(slow.requests) <= 4
        hold.set()
        eventually(
            lambda: {one.status for one in deliveries(sessions)} == {DeliveryStatus.delivered}
        )
        dispatcher.stop()
    assert len(slow.requests) == 30


def test_a_stopping_dispatcher_does_not_wait_for_slow_receivers(sessions: Sessions) -> None:
    hold = threading.Event()
    with receiving(lambda _: hold.wait(2 * DEADLINE_S)) as slow:
        make_webhook(sessions, slow.url, tests=9)
        dispatcher = make_dispatcher(sessions, every_s=60)
        dispatcher.start()
        eventually(lambda: len(slow.requests) == 4)
        started = time.monotonic()
        dispatcher.stop(grace_s=0.2)
        assert time.monotonic() - started < DEADLINE_S
        hold.set()
        dispatcher.wait(DEADLINE_S)
    assert dispatcher.send_due() == 0
    assert len(slow.requests) == 4


def test_a_stopping_dispatcher_records_messages_that_arrive_in_time(sessions: Sessions) -> None:
    hold = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        hold.wait(DEADLINE_S)
        saying(204)(handler)

    with receiving(answer) as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        dispatcher = make_dispatcher(sessions, every_s=60)
        dispatcher.start()
        eventually(lambda: len(receiver.requests) == 1)
        threading.Timer(0.2, hold.set).start()
        dispatcher.stop(grace_s=DEADLINE_S)
    assert [one.status for one in deliveries(sessions)] == [DeliveryStatus.delivered]


def test_a_dispatcher_waits_for_a_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'later.db'}"
    sessions = open_sessions(url)
    dispatcher = make_dispatcher(sessions, every_s=0.02)
    dispatcher.start()
    eventually(lambda: "due messages cannot be read" in caplog.text)
    migrate(url)
    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        eventually(lambda: len(receiver.requests) == 1)
        dispatcher.stop()
    sessions.kw["bind"].dispose()


def test_a_dispatcher_continues_after_an_unexpected_error(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    class Stumbling(WebhookDispatcher):
        def send_due(self) -> int:
            if not caplog.records:
                raise MemoryError
            return super().send_due()

    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        dispatcher = Stumbling(sessions, Sender(LOOPBACK), every_s=0.02)
        dispatcher.start()
        eventually(lambda: len(receiver.requests) == 1)
        dispatcher.stop()
    assert "due messages cannot be sent" in caplog.text
