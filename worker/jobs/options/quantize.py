"""The quantisation that a job asks for."""

from db.spec.options.quantize import BITS
from db.spec.prune_spec import PruneSpec
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.sweep.quantization.quantizing import Quantizing


def quantizing(spec: PruneSpec) -> Quantizing | None:
    if (quantize := spec.quantize) is None:
        return None
    bits, size = BITS[quantize.scheme], quantize.group_size
    return Quantizing(Quantization(bits, size, quantize.scales, quantize.skip))
