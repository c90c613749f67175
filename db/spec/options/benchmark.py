"""The speed and the memory of both models."""

from typing import ClassVar

from pydantic import Field, StrictBool

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.options.quantize import QuantizeFields


def _check(spec: "BenchmarkFields") -> None:
    is_packed = spec.benchmark and QuantizeFields.of(spec).quantize is not None
    reason = "transformers unpacks quantised weights as it runs, so its speed says nothing"
    check_fits("benchmark", True, (is_packed, reason, "Leave benchmark out."))


class BenchmarkFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        metrics={
            "benchmark": (
                *("speed.prefill_ratio", "speed.decode_ratio", "speed.memory_ratio"),
                *("weights_bytes_ratio", "speed.dense_prefill_tokens_per_second"),
                *("speed.pruned_prefill_tokens_per_second", "speed.dense_decode_tokens_per_second"),
                *("speed.pruned_decode_tokens_per_second", "speed.dense_memory_bytes"),
                *("speed.pruned_memory_bytes", "speed.confidence"),
            )
        },
        untimed={"benchmark": "the benchmark"},
        place=Place.evaluation,
        labels={"benchmark": "Measure speed"},
        docs={"benchmark": "[Speed](#speed)."},
    )

    benchmark: StrictBool = Field(
        default=False,
        description="Whether speed and memory of the dense and the pruned model are measured in "
        "turns. Each must fit into memory as a whole.",
    )
