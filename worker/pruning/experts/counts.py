"""The number of experts of each layer that stay."""

from math import lcm

from worker.pruning.base.errors import ExpertsError, RatioError
from worker.pruning.experts.layers import Routing
from worker.pruning.experts.settings import ExpertSettings

SERVED = 8
"""Of what the number of experts stays a multiple where it is one: engines divide experts among
devices, and their fused routers know certain numbers."""
_FEWEST_ROUNDED = 32
"""With fewer experts than this, a multiple would be too far from the ratio."""


def kept_experts(settings: ExpertSettings, count: int, routing: Routing) -> int:
    """Return how many of ``count`` experts stay in each layer.

    Raises:
        ExpertsError: so many cannot stay.
        RatioError: no number of experts is near the ratio.
    """
    if settings.kept is not None:
        _check_kept(settings.kept, count, routing)
        return settings.kept
    step = routing.step
    if count % SERVED == 0 and count >= _FEWEST_ROUNDED:
        step = lcm(step, SERVED)
    removed = int(count * settings.ratio)
    kept = count - removed
    if kept % step:
        lower = kept - kept % step
        kept = lower + step if kept - lower >= step / 2 else lower
    if kept >= count or removed == 0:
        effect = f"removes none of {count} experts" + (f" in steps of {step}" if step > 1 else "")
        raise RatioError(settings.ratio, effect, max(step, 1) / count)
    if kept < routing.fewest:
        most = count - -(-routing.fewest // step) * step
        effect = f"leaves {kept} of {count} experts, and a token needs {_needs(routing)}"
        raise RatioError(settings.ratio, effect, most / count)
    return kept


def possible_counts(count: int, routing: Routing) -> range:
    """Return the numbers of experts that can stay in each layer, descending."""
    return range(count - routing.step, routing.fewest - 1, -routing.step)


def _check_kept(kept: int, count: int, routing: Routing) -> None:
    fewest, most = routing.fewest, count - routing.step
    span = f"set experts to a number from {fewest} to {most}"
    if routing.groups is not None and routing.groups > 1:
        span = f"{span} that is a multiple of {routing.groups}"
    if kept >= count:
        raise ExpertsError(f"each layer has {count} experts, so that none would go", span)
    if kept < fewest:
        raise ExpertsError(f"a token needs {_needs(routing)}", span)
    if kept % routing.step:
        raise ExpertsError(
            f"the router divides the experts into {routing.groups} groups, each of which keeps as "
            f"many as the others",
            span,
        )


def _needs(routing: Routing) -> str:
    experts = f"{routing.per_token or 1} experts"
    if routing.groups is None or routing.groups == 1:
        return f"at least {routing.fewest} experts to choose its {experts} from"
    return (
        f"{experts}, from at most {routing.groups_per_token} of {routing.groups} groups, so that "
        f"at least {routing.fewest} have to stay"
    )
