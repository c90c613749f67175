"""The steps of a model card that say how a model was rotated, quantised or binarised."""

from collections.abc import Iterable
from typing import Any


def format_steps(report: dict[str, Any]) -> Iterable[str]:
    """Describe the rotations, the quantisation and the binarisation of the job of this report."""
    yield from _rotation_steps(report)
    yield from _quantization_steps(report)
    yield from _binarization_steps(report)


def _rotation_steps(report: dict[str, Any]) -> Iterable[str]:
    """Describe how the model was rotated before it was pruned, if it was."""
    if "rotation" not in report:
        return
    chosen = report["rotation"]
    residual = "" if chosen["residual"]["is_rotated"] else "not "
    values = sum(one["is_rotated"] for one in chosen["values"])
    yield (
        f"before that, the residual stream {residual}rotated, and the values of attention in "
        f"{values} of {len(chosen['values'])} blocks, wherever this made the errors of rounding "
        "smaller: [RoSTE](https://arxiv.org/abs/2502.09003); norms have no gain any more"
    )


def _quantization_steps(report: dict[str, Any]) -> Iterable[str]:
    """Describe how the weights were rounded, if they were."""
    if "quantization" not in report:
        return
    scheme, measured = report["quantization"], report["metrics"]["quantization"]
    yield (
        f"kept weights rounded to {scheme['bits']} bits, with a scale for each "
        f"{scheme['group_size']} neighbours of a row, by [GPTQ](https://arxiv.org/abs/2210.17323) "
        "with held zeros"
    )
    yield f"{measured['bits_per_weight']:.2f} bits per weight of these layers, scales included"


def _binarization_steps(report: dict[str, Any]) -> Iterable[str]:
    """Describe how the weights were binarised, if they were, and count their bits."""
    if "binarization" not in report:
        return
    settings, measured = report["binarization"], report["metrics"]["binarization"]
    yield (
        f"of each 8 neighbours of a row {settings['low']} to {settings['high']} kept, in the mean "
        f"{measured['kept']:.2f}; the kept ones take two values for each {settings['group_size']} "
        f"neighbours, and four in {100 * settings['salient']:g} % of the columns"
    )
    yield (
        f"{measured['bits_per_weight']:.2f} bits per weight of these layers in a format that would "
        f"store them as such: mask {measured['mask_bits_per_weight']:.2f}, signs "
        f"{measured['sign_bits_per_weight'] + measured['second_sign_bits_per_weight']:.2f}, values "
        f"{measured['scale_bits_per_weight']:.2f}; the files here are as large as the dense ones"
    )
