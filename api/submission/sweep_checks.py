"""The checks of a sweep's points, made once for points to which they give the same answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from api.preflight.preflight import CheckedSources
from api.preflight.row_groups import check_row_groups
from api.schemas.sweep_request import SweepRequest, at_point
from api.services.service import Service
from api.submission.submit import check
from db.core.errors import SpecRefusedError
from db.jobs.sweeps import Point
from db.spec.options.experts import copies_weights
from db.spec.prune_spec import PLANNED, PruneSpec
from db.spec.pruning.methods import REMOVING


def check_points(
    service: Service, body: SweepRequest, points: Sequence[Point], key_id: str | None
) -> CheckedSources:
    """Check all points without the planner; return the model and texts, which all of them share.

    Raises:
        SpecRefusedError: a field's value cannot be used.
    """
    specs = [point.spec for point in points]
    sources = check(service, body, specs[0], key_id)
    for number in _first_of_each(specs, copies_weights)[1:]:
        with _naming(number, points):
            check(service, body, specs[number], key_id)
    if sources.model is not None:
        for number in _first_of_each(specs, _groups):
            with _naming(number, points):
                check_row_groups(specs[number], sources.model.shapes)
    return sources


def undecided(points: Sequence[Point], sources: CheckedSources) -> list[PruneSpec]:
    """Return the specifications that the planner must check."""
    specs = [point.spec for point in points if sources.need_planner(point.spec)]
    return [specs[number] for number in _first_of_each(specs, _planned)]


def _first_of_each(
    specs: Sequence[PruneSpec], kind: Callable[[PruneSpec], object]
) -> Sequence[int]:
    """Return the number of the first specification of each kind."""
    numbers: dict[object, int] = {}
    for number, spec in enumerate(specs):
        numbers.setdefault(kind(spec), number)
    return list(numbers.values())


@contextmanager
def _naming(number: int, points: Sequence[Point]) -> Iterator[None]:
    """Name the point in the reason of a refusal."""
    try:
        yield
    except SpecRefusedError as error:
        raise at_point(error, number, points[number].varied) from None


def _groups(spec: PruneSpec) -> object:
    """Return all that the check of rows' groups depends on."""
    return spec.skip, spec.pattern, spec.quantize


def _planned(spec: PruneSpec) -> object:
    """Return all that the planner's check depends on."""
    allocation = spec.allocation if isinstance(spec.allocation, tuple) else ()
    removing = spec.method if spec.method in REMOVING else None
    fields = tuple(getattr(spec, name) for name in PLANNED)
    return removing, copies_weights(spec), spec.skip, spec.pattern, len(allocation), fields
