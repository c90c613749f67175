"""Checks that the options of a specification can be combined."""

from collections.abc import Mapping
from math import comb

from db.core.errors import SpecRefusedError
from db.spec.allocations import AllocationName, SpreadAllocation
from db.spec.datasets.protocols import built_in
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import OWN_MASK, REMOVING, MethodName, SolverName
from db.spec.recovery import RecoverSpec
from db.spec.references import LOCAL
from db.spec.refinement import FEWEST_WINDOWS, RefineSpec
from db.spec.variants import default_variant

UNFIT = "unfit_combination"
_OF_MASKS = ("pattern", "sparsity", "solver", "allocation", "scope")
"""Fields that decide which weights become zero, and how the others make up for them."""
_OF_CHANGES = ("correction", "damping", "refine")
"""Fields that decide how kept weights change."""
_UNUSED: Mapping[str, object] = {
    "sparsity": 0.0,
    "solver": SolverName.none,
    "allocation": AllocationName.uniform,
    "skip": [],
}
"""The values of these fields, as JSON, in a job that does not use them; None for the others."""
ROUNDING = 1e-6  # six decimals are enough for a sparsity
MAX_SETS = 1000
"""The maximum number of possible masks of an N:M group for variants that compare all of them; 4:8
has 70 masks, and 5:10 has 252."""


def check_combination(spec: PruneSpec) -> None:
    """Check that the options can be combined, and that there is something to do.

    Raises:
        SpecRefusedError: the options cannot be combined, or there is nothing to do.
    """
    if spec.method is MethodName.none:
        reason = "method none keeps the zeros that the model has and prunes nothing"
        _check_unused(spec, (*_OF_MASKS, *_OF_CHANGES), reason, "prunes")
    _check_ratio(spec)
    _check_solver(spec)
    _check_model_secret(spec)
    _check_variant(spec)
    _check_text_fields(spec)
    if spec.refine is not None:
        _check_refine(spec, spec.refine)
    if spec.pattern is not None:
        _check_pattern(spec, spec.pattern)
    if isinstance(spec.allocation, tuple):
        _check_mean(spec, spec.allocation)
    if spec.recover is not None:
        _check_recover(spec, spec.recover)
    _check_quantize(spec)
    _check_task_limit(spec)
    _check_prompts(spec)
    unmasked = spec.method is MethodName.none or spec.method in REMOVING
    if not (spec.sparsity > 0 or unmasked or spec.eval_dataset is not None):
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            "no weight would be pruned",
            "Set it above 0, or name an eval_dataset to evaluate the model without pruning.",
        )


def _check_solver(spec: PruneSpec) -> None:
    if spec.method in OWN_MASK and spec.solver is not SolverName.none:
        raise SpecRefusedError(
            "solver",
            spec.solver.value,
            UNFIT,
            f"method {spec.method} chooses its own mask and repairs it",
            "Leave solver out, or name a score such as zpruner as the method.",
        )
    changes_weights = {"correction": _is_solved(spec) or spec.refine is not None}
    changes_weights["damping"] = _is_solved(spec)
    for name, is_used in changes_weights.items():
        if (value := getattr(spec, name)) is not None and not is_used:
            raise SpecRefusedError(
                name,
                value,
                UNFIT,
                "no solver changes the weights",
                f"Name a solver such as alps, or leave {name} out.",
            )


def _check_task_limit(spec: PruneSpec) -> None:
    if spec.task_limit is not None and not spec.tasks:
        reason = "the job is measured on no task"
        raise SpecRefusedError(
            "task_limit", spec.task_limit, UNFIT, reason, "Name tasks, or leave task_limit out."
        )


def _check_prompts(spec: PruneSpec) -> None:
    if spec.prompts is not None and not spec.generate:
        reason = "the job generates no text"
        raise SpecRefusedError(
            "prompts",
            list(spec.prompts),
            UNFIT,
            reason,
            "Set generate to true, or leave prompts out.",
        )


def _check_model_secret(spec: PruneSpec) -> None:
    if spec.model_secret is not None and spec.model.startswith(LOCAL):
        reason = "a local model needs no token of the hub"
        remedy = "Leave model_secret out."
        raise SpecRefusedError("model_secret", spec.model_secret, UNFIT, reason, remedy)


def _check_ratio(spec: PruneSpec) -> None:
    """Check that a job has a ratio if its method removes units, and no option for masks then."""
    if spec.method not in REMOVING:
        if spec.ratio is not None:
            reason = (
                f"method {spec.method} removes no units or blocks; sparsity is its share of zeros"
            )
            remedy = "Leave ratio out, or name neurons, heads or depth as the method."
            raise SpecRefusedError("ratio", spec.ratio, UNFIT, reason, remedy)
        return
    if spec.ratio is None:
        reason = f"method {spec.method} needs the share of the blocks' parameters to remove"
        raise SpecRefusedError("ratio", None, UNFIT, reason, "Set ratio, for example to 0.25.")
    reason = f"method {spec.method} removes whole units or blocks, and ratio says how many"
    _check_unused(spec, (*_OF_MASKS, "skip"), reason, "zeroes weights")


def _check_unused(spec: PruneSpec, names: tuple[str, ...], reason: str, alternative: str) -> None:
    """Check that a job does not use the fields of these names."""
    values = spec.model_dump(mode="json", include=set(names))
    for name in names:
        if values[name] != _UNUSED.get(name):
            remedy = f"Leave {name} out, or name a method that {alternative}, such as zpruner."
            raise SpecRefusedError(name, values[name], UNFIT, reason, remedy)


def _check_variant(spec: PruneSpec) -> None:
    """Check that only the method ``exact`` has a variant, and that the pattern suits the variant.

    A variant that compares all masks of an N:M group needs a pattern whose groups have at most
    `MAX_SETS` possible masks.
    """
    if spec.method is not MethodName.exact:
        if spec.variant is not None:
            raise SpecRefusedError(
                "variant",
                spec.variant.value,
                UNFIT,
                "only the method exact has variants",
                "Leave variant out, or name exact as the method.",
            )
        return
    variant = spec.variant or default_variant(spec.pattern)
    if not variant.compares_sets:
        return
    if spec.pattern is None:
        raise SpecRefusedError(
            "variant",
            variant.value,
            UNFIT,
            "it compares the sets of a group of N:M, and there is no pattern",
            "Name a pattern such as 2:4, or set variant to sm or ss.",
        )
    kept, group = map(int, spec.pattern.split(":"))
    if (sets := comb(group, kept)) > MAX_SETS:
        raise SpecRefusedError(
            "variant",
            variant.value,
            UNFIT,
            f"a group of {spec.pattern} has {sets:,} sets, and at most {MAX_SETS:,} are compared",
            "Set variant to sm or ss, or choose a pattern of smaller groups.",
        )


def _check_recover(spec: PruneSpec, recover: RecoverSpec) -> None:
    keeps = spec.method is MethodName.none
    refusals = (
        (
            spec.sparsity == 0 and not keeps and spec.method not in REMOVING,
            "no weight would be pruned, so that there is nothing to recover",
            "Set sparsity above 0, or leave recover out.",
        ),
        (
            keeps and recover.kind == "ast",
            "ast changes the zeros, and method none keeps those that the model has",
            "Set its kind to masked, mask_lora or spp.",
        ),
        (
            spec.method in REMOVING and recover.kind == "ast",
            f"ast changes the zeros, and those of method {spec.method} stand for what it removes",
            "Set its kind to masked, mask_lora or spp.",
        ),
        (
            keeps and recover.kl == 1,
            "with method none the model is its own teacher, from which it learns nothing",
            "Set its kl below 1.",
        ),
    )
    for applies, reason, remedy in refusals:
        if applies:
            raise SpecRefusedError("recover", recover.kind, UNFIT, reason, remedy)


def _check_quantize(spec: PruneSpec) -> None:
    """Check that nothing changes the weights of a quantised model later, or measures its speed."""
    if spec.quantize is None:
        return
    refusals = (
        (
            spec.recover is not None,
            "a recovery trains the weights after the sweep, which rounds them",
            "Leave quantize out, and quantise the recovered model by a job with method none.",
        ),
        (
            spec.method in REMOVING,
            f"what method {spec.method} removes is cut out after the sweep, which rounds the "
            "weights",
            "Leave quantize out, and quantise the smaller model by a job with method none.",
        ),
    )
    for is_refused, reason, remedy in refusals:
        if is_refused:
            raise SpecRefusedError("quantize", spec.quantize.scheme, UNFIT, reason, remedy)
    if spec.benchmark:
        reason = "transformers unpacks quantised weights as it runs, so its speed says nothing"
        raise SpecRefusedError("benchmark", True, UNFIT, reason, "Leave benchmark out.")


def _check_text_fields(spec: PruneSpec) -> None:
    choices = (
        ("text_field", spec.text_field, spec.dataset),
        ("eval_text_field", spec.eval_text_field, spec.eval_dataset),
    )
    for name, value, dataset in choices:
        if value is None or (dataset is not None and built_in(dataset) is None):
            continue
        reason = f"{dataset} is built in and has no fields to choose from"
        if dataset is None:
            reason = "there is no eval_dataset; the evaluation uses dataset"
        raise SpecRefusedError(name, value, UNFIT, reason, f"Leave {name} out.")


def _check_refine(spec: PruneSpec, refine: RefineSpec) -> None:
    windows = f"refine needs {FEWEST_WINDOWS} calibration windows, an eighth of which it holds out"
    if spec.samples is not None and spec.samples < FEWEST_WINDOWS:
        remedy = f"Set samples to {FEWEST_WINDOWS} or more, or leave refine out."
        raise SpecRefusedError("samples", spec.samples, UNFIT, windows, remedy)
    least = FEWEST_WINDOWS * (spec.seq_len or 1)
    if refine.tokens is not None and refine.tokens < least:
        value = refine.model_dump(mode="json")
        remedy = f"Set its tokens to {least} or more, or leave them out."
        raise SpecRefusedError("refine", value, UNFIT, windows, remedy)


def _is_solved(spec: PruneSpec) -> bool:
    unsolved = {SolverName.none, SolverName.dsnot}
    repairs = OWN_MASK | {MethodName.neurons, MethodName.heads}
    return spec.method in repairs or spec.solver not in unsolved


def _check_pattern(spec: PruneSpec, pattern: str) -> None:
    kept, group = map(int, pattern.split(":"))
    share = 1 - kept / group
    if kept >= group:
        raise SpecRefusedError(
            "pattern", pattern, UNFIT, "it keeps everything", "Choose an N below M, as in 2:4."
        )
    if abs(spec.sparsity - share) > ROUNDING:
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            f"pattern {pattern} gives {share:g}",
            f"Set sparsity to {share:g}, or leave pattern out.",
        )
    if spec.allocation is not AllocationName.uniform:
        raise SpecRefusedError(
            "allocation",
            _plain(spec.allocation),
            UNFIT,
            f"pattern {pattern} gives every matrix the same sparsity",
            "Leave allocation or pattern out.",
        )
    if spec.scope is not None:
        raise SpecRefusedError(
            "scope",
            spec.scope.value,
            UNFIT,
            f"pattern {pattern} determines which weights compete",
            "Leave scope or pattern out.",
        )


def _check_mean(spec: PruneSpec, sparsities: tuple[float, ...]) -> None:
    mean = sum(sparsities) / len(sparsities)
    if abs(spec.sparsity - mean) > ROUNDING:
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            f"the mean of the {len(sparsities)} sparsities in allocation is {mean:g}",
            f"Set sparsity to {mean:g}, or correct allocation.",
        )


def _plain(allocation: AllocationName | tuple[float, ...] | SpreadAllocation) -> object:
    if isinstance(allocation, SpreadAllocation):
        return allocation.model_dump()
    return list(allocation) if isinstance(allocation, tuple) else allocation.value
