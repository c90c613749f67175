"""How the databases answer lists: along an index, however many jobs there are."""

import re
from datetime import timedelta

import pytest

from db.core.ids import new_id
from db.core.session import Sessions
from db.core.sort_key import MetricKey, SortKey, SortMetric
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.spec.pruning.methods import MethodName
from db.spec.quality_gate import Verdict
from tests.db.jobs.moments import NEW_YEAR
from tests.db.jobs.plans import MANY, WHOLE_TABLE, plans

WALK = re.compile("ix_jobs_listed|ix_jobs_of_a_status")
SORTED = re.compile(r"Sort Key|TEMP B-TREE")
TEXTS = re.compile("job_texts|zpruner_trigrams")
MIDDLE = SortKey(NEW_YEAR + timedelta(seconds=MANY // 2), "job_")
FILTERS = (
    JobFilter(),
    JobFilter(model="org/model-1"),
    JobFilter(method=MethodName.wanda),
    JobFilter(text="model-1"),
    JobFilter(text="job_000000"),
    JobFilter(created_by="key_1"),
    JobFilter(created_after=NEW_YEAR),
    JobFilter(statuses=(JobState.succeeded,)),
    JobFilter(statuses=(JobState.succeeded,), method=MethodName.wanda, text="model-1"),
)


def by_list(plans: list[str]) -> list[str]:
    """Leave out how the index of texts was asked for the jobs with a part of an id."""
    return [plan for plan in plans if not TEXTS.search(plan)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("after", [None, MetricKey(float(MANY // 2), "job_")])
@pytest.mark.parametrize("metric", SortMetric)
def test_a_list_by_a_metric_scans_its_index_in_order(
    metric: SortMetric, after: MetricKey | None, descending: bool, many: Sessions
) -> None:
    for wanted in (*FILTERS, JobFilter(verdict=Verdict.none)):
        with many() as session, plans(many) as found:
            JobRepository(session).sorted_page(
                metric, wanted, after=after, limit=3, descending=descending
            )
        walk, *_ = found = by_list(found)
        assert f"ix_jobs_by_{metric}" in walk, (wanted, walk)
        assert not SORTED.search(walk), (wanted, walk)
        assert not any(WHOLE_TABLE.search(plan) for plan in found), (wanted, found)


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("after", [None, MIDDLE])
def test_a_list_scans_an_index_in_order_and_reads_one_page(
    after: SortKey | None, oldest_first: bool, many: Sessions
) -> None:
    for wanted in FILTERS:
        with many() as session, plans(many) as found:
            JobRepository(session).page(wanted, after=after, oldest_first=oldest_first)
        walk, *page = found = by_list(found)
        assert WALK.search(walk), (wanted, walk)
        assert not SORTED.search(walk), (wanted, walk)
        assert not any(WHOLE_TABLE.search(plan) for plan in found), (wanted, found)
        assert all("sqlite_autoindex_jobs_1" in plan or "pk_jobs" in plan for plan in page), page


def test_several_statuses_are_several_index_scans(many: Sessions) -> None:
    wanted = JobFilter(statuses=(JobState.succeeded, JobState.failed))
    with many() as session, plans(many) as found:
        JobRepository(session).page(wanted, limit=3)
    assert len(re.findall(r"ix_jobs_\w+", found[0])) == 2, found[0]
    assert not WHOLE_TABLE.search(found[0])


def test_the_reruns_of_a_job_are_found_by_it(many: Sessions) -> None:
    with many() as session, plans(many) as found:
        JobRepository(session).page(JobFilter(parent_id=new_id("job")))
    assert "ix_jobs_parent_id" in found[0]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (JobFilter(sweep_id=new_id("swp")), "ix_jobs_of_a_sweep"),
        (JobFilter(verdict=Verdict.failed), "ix_jobs_of_a_verdict"),
    ],
)
def test_points_and_verdicts_have_their_own_indexes(
    wanted: JobFilter, index: str, many: Sessions
) -> None:
    with many() as session, plans(many) as found:
        JobRepository(session).page(wanted)
    assert index in found[0]
    assert not SORTED.search(found[0])


def test_the_newest_event_of_a_job_is_found_by_one_index_lookup(many: Sessions) -> None:
    with many() as session, plans(many) as found:
        EventRepository(session).newest_events([new_id("job") for _ in range(3)])
    assert "sqlite_autoindex_job_events_1" in found[0] or "pk_job_events" in found[0]
    assert not re.search("Seq Scan|SCAN", found[0])


def test_jobs_are_counted_on_an_index(many: Sessions) -> None:
    for wanted in FILTERS:
        with many() as session, plans(many) as found:
            JobRepository(session).facets(wanted)
        found = by_list(found)
        assert "ix_jobs_" in found[0]
        assert not WHOLE_TABLE.search(found[0])


def test_jobs_with_a_label_are_found_by_an_index_scan(many: Sessions) -> None:
    with many() as session, plans(many) as found:
        JobRepository(session).page(JobFilter(labels=(("team", "nlp"),)), after=MIDDLE)
    assert "ix_job_labels_found" in found[0]
    assert not WHOLE_TABLE.search(found[0])
    assert not SORTED.search(found[0])


def test_a_part_of_an_id_is_found_by_the_index_of_texts(many: Sessions) -> None:
    for wanted in (JobFilter(text=" 0010E1 "), JobFilter(text="0010e1", model="org/model-2")):
        with many() as session, plans(many) as found:
            jobs = JobRepository(session).page(wanted)
            ranked = JobRepository(session).sorted_page(SortMetric.perplexity, wanted)
            counts = JobRepository(session).facets(wanted)
        assert [job.id for job in jobs] == [job.id for job in ranked] == [f"job_{0x10E1:032x}"]
        assert counts.status == {JobState.succeeded: 1}
        assert re.search("ix_jobs_trigrams|VIRTUAL TABLE INDEX", found[0])
        walks = [plan for plan in by_list(found) if re.search("ix_jobs_(listed|by)", plan)]
        assert walks == [], walks
        assert not any(WHOLE_TABLE.search(plan) for plan in by_list(found)), found
