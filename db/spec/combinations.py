"""Checks that the options of a specification can be combined."""

from math import comb

from db.core.errors import SpecRefusedError
from db.spec.allocations import AllocationName, SpreadAllocation
from db.spec.datasets.builtin import BUILTIN_DATASETS
from db.spec.prune_spec import OWN_MASK, MethodName, PruneSpec, SolverName
from db.spec.recovery import RecoverSpec
from db.spec.references import LOCAL
from db.spec.refinement import FEWEST_WINDOWS, RefineSpec
from db.spec.variants import default_variant

UNFIT = "unfit_combination"
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
        _check_prunes_nothing(spec)
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
    has_work = spec.sparsity > 0 or spec.method is MethodName.none or spec.eval_dataset is not None
    if not has_work:
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            "no weight would be pruned",
            "Set it above 0, or name an eval_dataset to evaluate the model without pruning.",
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


def _check_prunes_nothing(spec: PruneSpec) -> None:
    """Check that a job with method ``none`` sets no option that only applies to pruning."""
    is_uniform = spec.allocation is AllocationName.uniform
    options = {
        "pattern": spec.pattern,
        "sparsity": spec.sparsity or None,
        "solver": None if spec.solver is SolverName.none else spec.solver.value,
        "allocation": None if is_uniform else _plain(spec.allocation),
        "scope": None if spec.scope is None else spec.scope.value,
        "correction": spec.correction,
        "damping": spec.damping,
        "refine": None if spec.refine is None else spec.refine.model_dump(mode="json"),
    }
    for name, value in options.items():
        if value is not None:
            raise SpecRefusedError(
                name,
                value,
                UNFIT,
                "method none keeps the zeros that the model has and prunes nothing",
                f"Leave {name} out, or name a method that prunes, such as zpruner.",
            )


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
            spec.sparsity == 0 and not keeps,
            "no weight would be pruned, so that there is nothing to recover",
            "Set sparsity above 0, or leave recover out.",
        ),
        (
            keeps and recover.kind == "ast",
            "ast changes the zeros, and method none keeps those that the model has",
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
    if spec.quantize is not None and spec.recover is not None:
        raise SpecRefusedError(
            "quantize",
            spec.quantize.scheme,
            UNFIT,
            "a recovery trains the weights after the sweep, which rounds them",
            "Leave quantize out, and quantise the recovered model by a job with method none.",
        )


def _check_text_fields(spec: PruneSpec) -> None:
    choices = (
        ("text_field", spec.text_field, spec.dataset),
        ("eval_text_field", spec.eval_text_field, spec.eval_dataset),
    )
    for name, value, dataset in choices:
        if value is None or (dataset is not None and dataset not in BUILTIN_DATASETS):
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
    return spec.method in OWN_MASK or spec.solver not in unsolved


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
