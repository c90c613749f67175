"""Filters as a request has them."""

from datetime import UTC, datetime

from zpruner.client.filters import json_of


def test_a_missing_filter_is_left_out_and_an_empty_text_is_sent() -> None:
    assert json_of({"status": None, "labels": {}, "q": None}) == {}
    assert json_of({"status": "queued", "sweep": ""}) == {"status": ["queued"], "sweep": ""}
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    assert json_of({"created_before": moment}) == {"created_before": moment.isoformat()}
