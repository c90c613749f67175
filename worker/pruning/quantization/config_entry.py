"""The entry of a model's config.json that describes its quantised layers."""

from collections.abc import Sequence
from typing import Any

from worker.pruning.quantization.scheme import Scheme

NAME = "quantization_config"


def config_entry(scheme: Scheme, unquantized: Sequence[str]) -> dict[str, Any]:
    """Return the entry in the layout of compressed-tensors, ready for JSON.

    Args:
        scheme: how all other linear layers are quantised.
        unquantized: the names of the linear layers that are not.
    """
    weights = {
        "num_bits": scheme.bits,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": scheme.group_size,
        "dynamic": False,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": weights,
                "input_activations": None,
                "output_activations": None,
            }
        },
        "ignore": list(unquantized),
    }
