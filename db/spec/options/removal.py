"""Methods that zero no weights: those that remove units or blocks, and ``none``."""

from typing import ClassVar

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from db.spec.descriptions.basics import Basics, FieldName, SourceName, check_text_field
from db.spec.descriptions.option import Option, Place, check_fits, check_unused
from db.spec.options.target import TargetFields
from db.spec.pruning.methods import MEASURED, REMOVING, SELECTIONS, MethodName, SelectionName

_OF_MASKS = ("pattern", "sparsity", "solver", "allocation", "scope")
"""Fields that decide which weights become zero, and how the others make up for them."""
_OF_CHANGES = ("correction", "damping", "refine")
"""Fields that decide how kept weights change."""


def _check(spec: "RemovalFields") -> None:
    """Check that a job has a ratio if its method removes units, and no option for masks then."""
    _check_keep_dataset(spec)
    method = spec.method
    reason = f"method {method} makes no search for the units that it removes"
    for name, value in (("search_steps", spec.search_steps), ("search_start", spec.search_start)):
        misfit = value is not None and method is not MethodName.pgp
        check_fits(name, value, (misfit, reason, f"Leave {name} out, or set method to pgp."))
    _check_selection(spec)
    if method is MethodName.none:
        reason = "method none keeps the zeros that the model has and prunes nothing"
        check_unused(spec, (*_OF_MASKS, *_OF_CHANGES), reason, "prunes")
    reason = f"method {method} does not choose how many units each block loses"
    if method in REMOVING:
        reason = f"method {method} always makes the model smaller"
    remedy = "Leave uniform out, or name adapt or pgp as the method."
    check_fits("uniform", False, (not spec.uniform and method not in MEASURED, reason, remedy))
    _check_ratio(spec)
    check_text_field("keep_text_field", spec.keep_text_field, spec.keep_dataset)


def _check_selection(spec: "RemovalFields") -> None:
    """Check that the method selects in this way what it removes."""
    own = SELECTIONS.get(spec.method, ())
    misfit = spec.selection is not None and spec.selection not in own
    other = next((name for name, ways in SELECTIONS.items() if spec.selection in ways), None)
    remedy = f"Leave selection out, or set method to {other}."
    if own:
        remedy = f"Set selection to {' or '.join(own)}, or leave it out."
    reason = f"method {spec.method} selects no channels or experts in this way"
    check_fits("selection", spec.selection, (misfit, reason, remedy))


def _check_ratio(spec: "RemovalFields") -> None:
    if spec.method not in REMOVING:
        reason = f"method {spec.method} removes no units or blocks; sparsity is its share of zeros"
        remedy = "Leave ratio out, or name a method that removes units, such as neurons."
        return check_fits("ratio", spec.ratio, (spec.ratio is not None, reason, remedy))
    target = TargetFields.of(spec).target
    reason = "target says how much is removed, too"
    twice = spec.ratio is not None and target is not None
    check_fits("ratio", spec.ratio, (twice, reason, "Leave ratio or target out."))
    reason = f"method {spec.method} needs the share of the blocks' parameters to remove"
    is_given = target is not None or spec.method is MethodName.experts  # it has a number
    remedy = "Set ratio, for example to 0.25, or target."
    check_fits("ratio", None, (spec.ratio is None and not is_given, reason, remedy))
    reason = f"method {spec.method} removes whole units or blocks, and ratio says how many"
    return check_unused(spec, (*_OF_MASKS, "skip"), reason, "zeroes weights")


def _check_keep_dataset(spec: "RemovalFields") -> None:
    """Check that a second text is another one, and that channels can stay for it."""
    if spec.keep_dataset is None:
        return
    check_fits(
        "keep_dataset",
        spec.keep_dataset,
        (
            spec.method not in SELECTIONS,
            f"method {spec.method} removes no channels or experts that could stay",
            "Leave keep_dataset out, or set method to neurons or experts.",
        ),
        (
            spec.keep_dataset == spec.dataset,
            "it is the dataset that all of them are scored on",
            "Leave keep_dataset out, or name another text.",
        ),
    )


class RemovalFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        amounts=("ratio",),
        metrics_of_values={"pgp.changed": ("method", "pgp")},
        texts={"keep_dataset": "keep_text_field"},
        # Only the opened model shows its units, and only the planner counts windows.
        planned=("ratio", "keep_dataset"),
        places=dict.fromkeys(("keep_dataset", "keep_text_field"), Place.texts),
        first={"ratio": 3},
        only_with={
            "ratio": {"method": REMOVING},
            "uniform": {"method": MEASURED},
            "search_steps": {"method": {MethodName.pgp}},
            "search_start": {"method": {MethodName.pgp}},
            "selection": {"method": SELECTIONS},
            "keep_dataset": {"method": SELECTIONS},
            "keep_text_field": {"keep_dataset": ()},
        },
        labels={
            "uniform": "Same width in every block",
            "selection": "Which channels or experts go",
            "keep_dataset": "Text to spare channels or experts for",
            "keep_text_field": "Its text field",
        },
        docs={
            "ratio": "The model gets smaller: [Smaller models](#smaller-models).",
            "uniform": "[Zeros in place](#smaller-models).",
            "search_steps": "[Steps of pgp](methods/pgp.md).",
            "search_start": "[Starting from an earlier search]"
            "(methods/pgp.md#starting-from-an-earlier-search). Not with `steps`.",
            "selection": "[Channels of MLPs](methods/neurons.md), [experts](methods/experts.md).",
            "keep_dataset": "[Smaller models](#smaller-models).",
        },
    )

    ratio: StrictFloat | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the blocks' parameters that the methods `neurons`, `heads`, `depth`, "
        "`adapt` and `pgp` remove; or the share of the experts that `experts` removes.",
        examples=[0.25],
    )
    uniform: StrictBool = Field(
        default=True,
        description="Whether `adapt` and `pgp` remove the same number of units from every block, "
        "so that the model gets smaller; if not, removed units stay in place as zeros, which "
        "`zpruner gguf` leaves out of a Llama.",
    )
    search_steps: StrictInt | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="With `pgp`, in how many steps the search changes the probabilities of units; "
        "1,000 by default, and 15,000, as published, with `propagation: reference`.",
        examples=[2000],
    )
    search_start: SourceName | None = Field(
        default=None,
        description="With `pgp`, start from where the search of an earlier job on the same model "
        "ended: `job:` and the id of the job. Without a service, the folder of an earlier result.",
        examples=["job:job_019a2b3c4d5e7f8091a2b3c4d5e6f708"],
    )
    selection: SelectionName | None = Field(
        default=None,
        description="With `neurons`, which channels go: those that contribute least (`energy`, the "
        "default), or those that are least active on the last tokens of prompts (`ptl`). With "
        "`experts`, which experts go: those that add least to the outputs of their tokens (`reap`, "
        "the default), or those with the fewest tokens (`frequency`).",
    )
    keep_dataset: SourceName | None = Field(
        default=None,
        description="With `neurons` and `experts`, a second calibration text, named as `dataset`: "
        "channels or experts that matter on it stay, too.",
    )
    keep_text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of `keep_dataset` holds the text, or the chat messages.",
    )
