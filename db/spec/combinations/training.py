"""The training and the rounding of kept weights."""

from db.core.errors import SpecRefusedError
from db.spec.combinations.unfit import UNFIT
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import REMOVING, MethodName
from db.spec.recovery import RecoverSpec
from db.spec.refinement import FEWEST_WINDOWS, RefineSpec


def check_training(spec: PruneSpec) -> None:
    """Check the refinement, the recovery and the quantisation.

    Raises:
        SpecRefusedError: one of them contradicts another option, or has nothing to do.
    """
    if spec.refine is not None:
        _check_refine(spec, spec.refine)
    if spec.recover is not None:
        _check_recover(spec, spec.recover)
    _check_quantize(spec)


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
        if spec.rotate is not None:
            reason = "rotations change how well weights can be rounded, and nothing is rounded"
            remedy = "Set quantize, or leave rotate out."
            raise SpecRefusedError("rotate", spec.rotate, UNFIT, reason, remedy)
        return
    refusals = (
        (
            spec.recover is not None and spec.recover.kind != "masked",
            "only a recovery of the kind masked trains weights that are rounded",
            "Set the kind of recover to masked, or leave quantize out and quantise the recovered "
            "model by a job with method none.",
        ),
        (
            spec.method in REMOVING,
            f"what method {spec.method} removes is cut out after the sweep, which rounds the "
            "weights"
            if spec.uniform
            else "units that are removed in place are not quantised with the others",
            "Leave quantize out, and quantise the result by a job with method none.",
        ),
    )
    for is_refused, reason, remedy in refusals:
        if is_refused:
            raise SpecRefusedError("quantize", spec.quantize.scheme, UNFIT, reason, remedy)
    if spec.benchmark:
        reason = "transformers unpacks quantised weights as it runs, so its speed says nothing"
        raise SpecRefusedError("benchmark", True, UNFIT, reason, "Leave benchmark out.")
