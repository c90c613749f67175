"""The section of a model card about the N:M patterns that the matrices hold."""

from collections.abc import Mapping, Sequence
from typing import Any

_SECTION = """
## N:M pattern

{outcome} Every group of {matrices} was read from the files, along the inputs; `report.json` lists
the matrices, and `zpruner certify` reads them again.
"""
_USE = """
How some programs make use of it; **none of them was tested** with this model:

```python
# torch on a CUDA GPU of compute capability 8.0 or higher, by cuSPARSELt or CUTLASS.
# Each dimension must be a multiple that torch's error names, such as 32 by 64 in bfloat16.
import json

import torch
from torch.sparse import to_sparse_semi_structured

pruned = set(json.load(open("report.json"))["certificate"]["matrices"])
model = model.to("cuda", torch.bfloat16)
for name, module in model.named_modules():
    if isinstance(module, torch.nn.Linear) and f"{name}.weight" in pruned:
        module.weight = torch.nn.Parameter(to_sparse_semi_structured(module.weight.detach()))
```

```sh
# TensorRT, after an export to ONNX; it takes sparse kernels where they are faster.
trtexec --onnx=model.onnx --bf16 --sparsity=enable
```
"""
_CORE_ML = """
```python
# Core ML stores zeros as a bit mask, whatever their pattern: mlmodel is the converted model.
# Not tested with this model.
from coremltools.optimize.coreml import OpThresholdPrunerConfig, OptimizationConfig, prune_weights

zeros = OpThresholdPrunerConfig(threshold=1e-12, minimum_sparsity_percentile=0.4)
mlmodel = prune_weights(mlmodel, config=OptimizationConfig(global_config=zeros))
```
"""


def pattern_section(patterns: Mapping[str, Any], *, is_quantized: bool) -> str:
    """Return the section; empty if no pattern was requested and none holds.

    Args:
        patterns: the metric of this name.
        is_quantized: whether the weights are packed integers, which these programs do not take.
    """
    requested, held = patterns["requested"], patterns["held"]
    if requested is None and not held:
        return ""
    count = patterns["matrices"]
    matrices = "the pruned matrix" if count == 1 else f"the {count:,} pruned matrices"
    section = _SECTION.format(outcome=_outcome(patterns, held), matrices=matrices)
    if is_quantized:
        return section
    return section + (_USE if "2:4" in held else "") + (_CORE_ML if held else "")


def _outcome(patterns: Mapping[str, Any], held: Sequence[str]) -> str:
    holding = "".join(f"The pattern {pattern} holds." for pattern in held)
    if len(held) > 1:
        holding = f"The patterns {', '.join(held[:-1])} and {held[-1]} hold."
    if not patterns["broken"]:
        return holding
    broken = f"The requested pattern {patterns['requested']} **does not hold** in"
    matrices = "one matrix" if patterns["broken"] == 1 else f"{patterns['broken']:,} matrices"
    return f"{broken} {matrices}. {holding}".rstrip()
