from datetime import timedelta

import pytest

from db.core.session import Sessions
from db.core.sort_key import MetricKey, SortKey, SortMetric
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository, NewJob
from db.jobs.search import MODEL_KEY_BYTES
from db.spec.pruning.methods import MethodName
from db.spec.quality_gate import Verdict
from db.tables.jobs import Job
from tests.db.jobs.moments import NEW_YEAR
from tests.factories import make_job, make_spec


def found(sessions: Sessions, wanted: JobFilter) -> list[str]:
    with sessions() as session:
        return [job.id for job in JobRepository(session).page(wanted)]


def place(job: Job) -> SortKey:
    return SortKey(job.created_at, job.id)


@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_hold_every_job_once_in_order(oldest_first: bool, sessions: Sessions) -> None:
    moments = [NEW_YEAR + timedelta(days=days) for days in (3, 1, 2, 2, 2)]
    made = [make_job(sessions, created_at=moment) for moment in moments]
    seen: list[Job] = []
    with sessions() as session:
        jobs = JobRepository(session)
        while part := jobs.page(
            limit=2, after=place(seen[-1]) if seen else None, oldest_first=oldest_first
        ):
            seen += part
    in_time = sorted(made, key=lambda job: (job.created_at, job.id))
    assert [job.id for job in seen] == [
        job.id for job in (in_time if oldest_first else in_time[::-1])
    ]


def test_a_list_of_several_statuses_is_one_list(sessions: Sessions) -> None:
    states = [JobState.failed, JobState.queued, JobState.succeeded, JobState.failed]
    made = [make_job(sessions, status=status) for status in states]
    wanted = JobFilter(statuses=(JobState.failed, JobState.succeeded))
    with sessions() as session:
        jobs = JobRepository(session)
        first = jobs.page(wanted, limit=2)
        rest = jobs.page(wanted, limit=2, after=place(first[-1]))
    assert [job.id for job in (*first, *rest)] == [made[3].id, made[2].id, made[0].id]


def test_each_filter_excludes_the_other_jobs(sessions: Sessions) -> None:
    one = make_job(sessions, make_spec(model="org/one", method="wanda"), created_at=NEW_YEAR)
    other = make_job(
        sessions, make_spec(model="org/one-more"), parent_id=one.id, status=JobState.failed
    )
    day = timedelta(days=1)
    for wanted, ids in (
        (JobFilter(), [other.id, one.id]),
        (JobFilter(statuses=(JobState.failed,)), [other.id]),
        (JobFilter(method=MethodName.wanda), [one.id]),
        (JobFilter(model="org/one"), [one.id]),
        (JobFilter(model="org/on"), []),
        (JobFilter(parent_id=one.id), [other.id]),
        (JobFilter(created_after=NEW_YEAR), [other.id]),
        (JobFilter(created_before=NEW_YEAR), []),
        (JobFilter(created_after=NEW_YEAR - day, created_before=NEW_YEAR + day), [one.id]),
        (JobFilter(model="org/one", method=MethodName.zpruner), []),
    ):
        assert found(sessions, wanted) == ids, wanted


def test_a_text_is_searched_in_names_in_any_case_and_taken_literally(sessions: Sessions) -> None:
    plain = make_job(sessions, make_spec(model="Org/Model-7B"), name="Nightly")
    odd = make_job(sessions, make_spec(model="org/other"), name="100%_ÄRA")
    for text, ids in (
        ("nightLY", [plain.id]),
        ("org/", [odd.id, plain.id]),
        ("l-7b", [plain.id]),
        ("%", [odd.id]),
        ("0%_ä", [odd.id]),
        ("n_ghtly", []),
        ("y\norg", [plain.id]),
    ):
        assert found(sessions, JobFilter(text=text)) == ids, text


def test_names_of_any_length_are_stored_and_distinguished(sessions: Sessions) -> None:
    # Of random letters, so that PostgreSQL cannot compress them into an index's entry.
    letters = "".join(chr(0x4E00 + (index * 7919) % 20000) for index in range(511))
    ids = [
        make_job(sessions, make_spec(model=letters + last), name=letters[:200]).id for last in "ab"
    ]
    assert len(letters.encode()) > MODEL_KEY_BYTES
    assert found(sessions, JobFilter(model=letters + "a")) == ids[:1]
    assert found(sessions, JobFilter(text=letters[:9])) == ids[::-1]


def test_jobs_are_searched_by_label_and_by_id_whole_or_short(sessions: Sessions) -> None:
    with sessions.begin() as session:
        jobs = JobRepository(session)
        job = jobs.add(NewJob(make_spec(), labels={"Team": "NLP"}))
        other = jobs.add(NewJob(make_spec(), name="decade"))
        for text in ("nlp", "team=nlp", job.id, job.id[4:], f" {job.id[-8:].upper()} "):
            assert [one.id for one in jobs.page(JobFilter(text=text))] == [job.id], text
        assert [one.id for one in jobs.page(JobFilter(text="decade"))] == [other.id]
        # Ids consist of 16 characters, so that a short text would be in many.
        assert jobs.page(JobFilter(text=job.id[-5:])) == []
        JobCommands(session).describe(job.id, name=None, labels={"run": "7"})
        assert jobs.page(JobFilter(text="nlp")) == []
        assert [one.id for one in jobs.page(JobFilter(text="run=7"))] == [job.id]


def test_jobs_are_filtered_by_the_key_that_submitted_them(sessions: Sessions) -> None:
    mine = make_job(sessions, created_by="key_a")
    make_job(sessions)
    assert found(sessions, JobFilter(created_by="key_a")) == [mine.id]
    assert found(sessions, JobFilter(created_by="key_b")) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_by_a_metric_end_with_the_jobs_that_have_none(
    descending: bool, limit: int, sessions: Sessions
) -> None:
    values = (3.0, None, 1.5, 2.0, None, 2.0)
    made = [
        make_job(sessions, perplexity=value, created_at=NEW_YEAR + timedelta(days=day))
        for day, value in enumerate(values)
    ]
    make_job(sessions, make_spec(method="ria"), perplexity=2.5)
    wanted = JobFilter(method=MethodName.zpruner, statuses=(JobState.queued, JobState.failed))
    seen: list[Job] = []
    with sessions() as session:
        jobs, after = JobRepository(session), None
        while part := jobs.sorted_page(
            SortMetric.perplexity, wanted, limit=limit, after=after, descending=descending
        ):
            seen += part
            last = part[-1]
            value = last.perplexity
            after = place(last) if value is None else MetricKey(value, last.id)
    measured = [made[2], made[3], made[5], made[0]]
    order = (measured[::-1] if descending else measured) + [made[4], made[1]]
    assert [job.id for job in seen] == [job.id for job in order]


def test_facets_count_what_each_choice_would_find(sessions: Sessions) -> None:
    wanda = make_spec(method="wanda")
    for spec, status in (
        (wanda, JobState.failed),
        (wanda, JobState.queued),
        (None, JobState.queued),
    ):
        make_job(sessions, spec, status=status)
    with sessions() as session:
        jobs = JobRepository(session)
        everything = jobs.facets()
        failed = jobs.facets(JobFilter(statuses=(JobState.failed,)))
        zpruner = jobs.facets(JobFilter(method=MethodName.zpruner))
        nothing = jobs.facets(JobFilter(text="nowhere"))
        passed = jobs.facets(JobFilter(verdict=Verdict.passed))
    by_status = {JobState.failed: 1, JobState.queued: 2}
    assert (everything.status, everything.method) == (by_status, {"wanda": 2, "zpruner": 1})
    assert (failed.status, failed.method) == (by_status, {"wanda": 1})
    assert (zpruner.status, zpruner.method) == (
        {JobState.queued: 1},
        {"wanda": 2, "zpruner": 1},
    )
    assert (nothing.status, nothing.method, nothing.verdict) == ({}, {}, {})
    assert (passed.status, passed.method, passed.verdict) == ({}, {}, {Verdict.none: 3})
    assert (failed.verdict, zpruner.verdict) == ({Verdict.none: 1}, {Verdict.none: 1})


def test_jobs_are_found_by_all_of_their_labels_page_by_page(sessions: Sessions) -> None:
    with sessions.begin() as session:
        jobs = JobRepository(session)
        both = [
            jobs.add(NewJob(make_spec(), labels={"team": "nlp", "n": str(n % 2)})) for n in range(4)
        ]
        jobs.add(NewJob(make_spec(), labels={"team": "vision", "n": "0"}))
        jobs.add(NewJob(make_spec()))
    team, even = ("team", "nlp"), ("n", "0")
    with sessions() as session:
        jobs = JobRepository(session)
        found = jobs.page(JobFilter(labels=(team,)), limit=2)
        assert [job.id for job in found] == [both[3].id, both[2].id]
        after = SortKey(found[-1].created_at, found[-1].id)
        rest = jobs.page(JobFilter(labels=(team,)), after=after)
        assert [job.id for job in rest] == [both[1].id, both[0].id]
        oldest = jobs.page(JobFilter(labels=(team,)), limit=1, oldest_first=True)
        assert [job.id for job in oldest] == [both[0].id]
        assert {job.id for job in jobs.page(JobFilter(labels=(team, even)))} == {
            both[0].id,
            both[2].id,
        }
        wanted = JobFilter(labels=(team,), statuses=(JobState.failed,))
        assert jobs.page(wanted) == []
        assert jobs.facets(JobFilter(labels=(even,))).status == {JobState.queued: 3}


def test_a_job_is_found_by_the_labels_it_has_now(sessions: Sessions) -> None:
    with sessions.begin() as session:
        job = JobRepository(session).add(NewJob(make_spec(), labels={"team": "nlp"}))
        JobCommands(session).describe(job.id, name=None, labels={"team": "vision"})
        assert JobRepository(session).page(JobFilter(labels=(("team", "nlp"),))) == []
        assert [
            one.id for one in JobRepository(session).page(JobFilter(labels=(("team", "vision"),)))
        ] == [job.id]
