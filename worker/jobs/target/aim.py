"""How much a job removes so that its result is not larger than its target."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from db.core.errors import SpecRefusedError
from db.problems.failures import TARGET
from db.spec.combination import refused_candidate
from db.spec.options.target import TargetSpec, candidates_of
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from worker.jobs.options.removal import removal_of
from worker.jobs.recipes import check_job_recipe, last_increment, recipe_at, recipe_of
from worker.jobs.target.result_size import ResultSize
from worker.pruning.base.errors import PruningError
from worker.pruning.experts.counts import possible_counts
from worker.pruning.experts.layers import Routing, expert_layer
from worker.pruning.experts.smaller_mixture import expert_count
from worker.pruning.model.meta_model import MetaModel

Chosen = Mapping[str, Any]
"""Fields of a specification, and the values that meet a target."""


def aimed(spec: PruneSpec, meta_model: MetaModel) -> list[PruneSpec]:
    """Return the job with each of the methods that it compares, and how much that removes.

    Its own method is the first, and most often the only one.

    Raises:
        SpecRefusedError: a method cannot meet the target, or no number of units is near the ratio.
        PruningError: the model cannot be pruned by the job's own method.
    """
    jobs: list[PruneSpec] = []
    for candidate in candidates_of(spec):
        try:
            job = candidate.model_copy(update=dict(chosen_fields(candidate, meta_model)))
            check_job_recipe(recipe_at(recipe_of(job), last_increment(job)), job, meta_model)
        except PruningError as error:
            if not jobs:
                raise
            raise refused_candidate(candidate.method, str(error)) from error
        jobs.append(job)
    return jobs


def chosen_fields(spec: PruneSpec, meta_model: MetaModel) -> Chosen:
    """Return the fields that say how much is removed: as little as meets the job's target.

    Without a target these are none. Sizes are computed from the model's shapes, by bisection, so
    that no weight is read.

    Raises:
        SpecRefusedError: the model is not larger than the target, or cannot become so small.
        UnsupportedModelError: the model has no such units, or its size is not known.
    """
    if (target := spec.target) is None:
        return {}
    dense = ResultSize(meta_model, None).of(target)
    if dense <= target.limit:
        reason = f"the dense model has {_words(target, dense)}, which is not more"
        raise _refusal(target, reason, f"{target.limited} to less, or leave target out")
    choices = _choices(spec, meta_model)

    def size_of(choice: Chosen) -> int:
        changed = spec.model_copy(update=dict(choice))
        recipe = recipe_at(recipe_of(changed), last_increment(spec))
        return ResultSize(meta_model, recipe).of(target)

    place = bisect_left(choices, True, key=lambda choice: size_of(choice) <= target.limit)
    if place == len(choices):
        smallest = size_of(choices[-1]) if choices else dense
        effect = f"method {spec.method} leaves at least {_words(target, smallest)} of this model"
        raise _refusal(target, effect, f"{target.limited} to {smallest} or more")
    return choices[place]


def _choices(spec: PruneSpec, meta_model: MetaModel) -> Sequence[Chosen]:
    """Return the values of a field that can be met exactly, those that remove less first."""
    if spec.method is MethodName.experts:
        layers = [expert_layer(block) for block in meta_model.blocks]
        count = expert_count(layers, meta_model.config.model_type)
        routing = Routing.of(meta_model.config)
        return [{"experts": kept} for kept in possible_counts(count, routing)]
    any_ratio = removal_of(spec.model_copy(update={"ratio": 0.5}))
    ratios = any_ratio.ratios(meta_model) if any_ratio else ()
    return [{"ratio": ratio} for ratio in ratios]


def _refusal(target: TargetSpec, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError(
        f"target.{target.limited}", target.limit, TARGET.code, reason, f"Set {remedy}."
    )


def _words(target: TargetSpec, size: int) -> str:
    unit = "bytes" if target.limited in {"bytes", "memory"} else target.limited.replace("_", " ")
    return f"{size:,} {unit}"
