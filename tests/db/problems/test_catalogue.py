import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.core.errors import (
    AddressRefusedError,
    DatasetNotFoundError,
    JobError,
    NotFoundError,
    SpecRefusedError,
)
from db.problems.catalogue import CATALOGUE, kind_of, refusal_problem
from db.problems.kind import KindGroup, for_class
from db.problems.plain import PLAIN
from db.spec.prune_spec import PruneSpec

ROOT = Path(__file__).parents[3]


def subclasses(error: type[JobError]) -> set[type[JobError]]:
    return {error}.union(*(subclasses(one) for one in error.__subclasses__()))


def test_every_job_error_has_a_kind() -> None:
    for error in subclasses(JobError) - {JobError, NotFoundError}:
        assert for_class(CATALOGUE.by_error, error)


def test_an_error_gets_the_kind_of_its_nearest_base_class() -> None:
    class SharedDatasetNotFoundError(DatasetNotFoundError):
        pass

    assert kind_of(SharedDatasetNotFoundError("ds_1")).code == "upload_not_found"
    assert kind_of(AddressRefusedError("url", "", "x", "", "")).code == "address_refused"


def test_an_error_without_a_kind_is_refused() -> None:
    with pytest.raises(LookupError, match="NotFoundError has no entry"):
        kind_of(NotFoundError("x"))


def test_two_kinds_cannot_share_a_code_or_an_error() -> None:
    group = KindGroup()
    group.add("one", 404, "One", "It is one.", error=DatasetNotFoundError)
    with pytest.raises(ValueError, match="two problem kinds have one"):
        group.add("one", 404, "One", "It is one.")
    with pytest.raises(ValueError, match="DatasetNotFoundError"):
        group.add("two", 404, "Two", "It is two.", error=DatasetNotFoundError)


def test_a_problem_has_the_values_of_its_kind_unless_it_has_its_own() -> None:
    kind = CATALOGUE.by_code["unfinished"]
    problem = kind.problem("Job 1 is queued.")
    assert (problem.type, problem.status) == ("/problems/unfinished", 503)
    assert (problem.hint, problem.retryable) == ("Ask again after Retry-After.", True)
    changed = kind.problem("Job 1 is queued.", status=404, hint="Wait.", retryable=False)
    assert (changed.status, changed.hint, changed.retryable) == (404, "Wait.", False)


def test_a_plain_status_has_a_page_if_there_is_more_to_say_of_it() -> None:
    types = {status: kind.problem("").type for status, kind in PLAIN.items()}
    assert types[400] == types[405] == "about:blank"
    assert (types[404], types[413]) == ("/problems/not_found", "/problems/too_large")
    for status in (404, 413):
        assert CATALOGUE.by_code[PLAIN[status].code] is PLAIN[status]


@pytest.mark.parametrize("code", ["deadline_passed", "quantized", "of_a_newer_release"])
def test_a_refused_specification_is_422_with_its_own_code_and_remedy(code: str) -> None:
    problem = refusal_problem(SpecRefusedError("a.b", "x", code, "it is late", "Change it."))
    assert (problem.status, problem.code, problem.type) == (422, code, f"/problems/{code}")
    assert (problem.hint, problem.errors[0].pointer) == ("Change it.", "/a/b")


MAKERS = r"[Rr]efused(Error)?$"
FIELDS = {
    *PruneSpec.model_fields,
    *("deadline", "max_cost", "queue", "url", "out", "device", "dense", "job", "prompt"),
    *("folder", "file", "converter", "runtime"),
}
ON_THE_COMMAND_LINE = {
    *("out_in_use", "out_exists", "unusable_out", "unknown_device"),
    *("no_runtime", "short_context", "no_converter"),
}
"""Codes that only commands without a service print, without a link to a page."""


def refusals() -> Iterator[list[str]]:
    """Yield the strings that each call in our source passes to what creates a refusal."""
    for folder in ("api", "db", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and re.search(MAKERS, ast.unparse(node.func)):
                    arguments = (*node.args, *(one.value for one in node.keywords))
                    yield [text for argument in arguments for text in sorted(texts(argument))]


def codes_in_source() -> set[str]:
    """Return every identifier that a call in our source passes to what creates a refusal."""
    found = {text for call in refusals() for text in call}
    return {one for one in found if re.fullmatch("[a-z_]+", one)} - FIELDS - ON_THE_COMMAND_LINE


def texts(argument: ast.expr) -> set[str]:
    """Return the strings that an argument may be, if the source shows them."""
    if isinstance(argument, ast.JoinedStr):
        written = ast.unparse(argument)[2:-1]
        return {written.replace("{kind}", kind) for kind in ("model", "dataset")}
    return {str(argument.value)} if isinstance(argument, ast.Constant) else set()


def test_every_code_of_a_refusal_is_in_the_catalogue() -> None:
    codes = codes_in_source()
    assert {"pickle_only", "custom_code", "dataset_not_found"} <= codes
    assert codes <= set(CATALOGUE.by_code)


def test_no_kind_of_problem_says_a_sentence_twice() -> None:
    for kind in CATALOGUE.by_code.values():
        parts = (kind.title, kind.explanation or "", kind.remedy or "")
        said = [one.rstrip(".") for part in parts for one in re.split(r"(?<=\.) ", part) if one]
        assert len(said) == len(set(said)), kind.code


def test_a_refusal_has_a_reason_and_a_remedy_that_do_not_repeat_each_other() -> None:
    calls = [call for call in refusals() if len(call) >= 2 and call[-1].endswith((".", "?"))]
    assert len(calls) > 50
    for *_, reason, remedy in calls:
        assert not reason.endswith("."), reason
        assert reason.rstrip(".").lower() not in remedy.lower(), remedy
