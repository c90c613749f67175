from typing import Any

from db.access.audit import AuditRepository
from db.core.session import Sessions
from db.core.sort_key import SortKey

ENTRY: dict[str, Any] = {
    "key_id": None,
    "who": "this machine",
    "action": "submit_job",
    "target": "/v1/jobs",
    "status": 201,
    "request_id": "one",
    "address": "127.0.0.1",
}


def test_pages_list_every_entry_once_newest_first(sessions: Sessions) -> None:
    for number in range(5):
        with sessions.begin() as session:
            AuditRepository(session).add(**ENTRY | {"status": number})
    seen, after = list[int](), None
    with sessions() as session:
        audit = AuditRepository(session)
        while page := audit.page(limit=2, after=after):
            seen += [entry.status for entry in page]
            after = SortKey(page[-1].created_at, page[-1].id)
    assert seen == [4, 3, 2, 1, 0]


def test_entries_can_be_filtered_by_key(sessions: Sessions) -> None:
    with sessions.begin() as session:
        audit = AuditRepository(session)
        audit.add(**ENTRY | {"key_id": "key_1"})
        audit.add(**ENTRY)
        assert [entry.key_id for entry in audit.page(key_id="key_1")] == ["key_1"]


def test_a_text_that_is_too_long_for_its_column_is_cut(sessions: Sessions) -> None:
    with sessions.begin() as session:
        AuditRepository(session).add(**ENTRY | {"target": "/" + "x" * 2000, "who": "é" * 300})
    with sessions() as session:
        (entry,) = AuditRepository(session).page()
    assert (len(entry.target), len(entry.who)) == (512, 200)
