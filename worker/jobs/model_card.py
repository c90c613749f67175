"""The model card (``README.md``) of a pruned model."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from worker.jobs.increments.steps_section import gradual_steps, steps_section
from worker.jobs.recipes import recipe_of
from worker.jobs.result.pattern_section import pattern_section
from worker.jobs.result.pruning_steps import pruning_steps
from worker.jobs.stages.job_stages import card_steps

_EMBEDDINGS = "Embeddings and\nhead are unchanged"
_KEPT_ROWS = " in the rows of the tokens that stay"
_UNCHANGED = ", and so are these tensors of the blocks"
_TRAINED_NORMS = ". These tensors of the blocks were not pruned, but their norms were trained"
_ROTATED = "Embeddings and\nhead are those of the rotated model"
_TEMPLATE = """\
---
library_name: transformers
tags: [pruning, {tag}, z-pruner]
{base}---

# {name}, {title}

{lineage}| | dense | pruned |
|---|---:|---:|
| perplexity | {dense} | {pruned} |
{intervals}{before}{size}

Pruned {training}:

{steps}

{coverage}

**Calibration**: {calibration}.

{training_text}**Perplexity**: {evaluation}.

{speed}{warnings}`report.json` contains the specification, both protocols and one report per block;
`SHA256SUMS` contains the checksums.

{loading}```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
```
{patterns}"""
_COVERAGE = """\
{coverage:.1f} % of the parameters of the decoder blocks were subject to pruning. {others}.
{fallbacks} matrices were pruned in another way than requested; `report.json` lists them."""
_KEPT = "Each tensor that stays is that of the dense model, bit for bit."
_KEPT_TRAINED = "What stays has the weights of the dense model, but for those that were trained."
_KEPT_BUT_ROUTERS = (
    "Each tensor that stays is that of the dense model, bit for bit, but for routers."
)

_LOADING = """\
The weights are in the format `pack-quantized` of compressed-tensors. transformers needs the package
`compressed-tensors` to load them; vLLM reads this format, too. The files are smaller, but the model
is not faster unless the engine has kernels for the format; no engine makes use of the zeros in it.

"""


def model_card(report: dict[str, Any]) -> str:
    """Return the model card of the job with this report."""
    metrics, environment = report["metrics"], report["computed"]
    chosen = report.get("target", {}).get("chosen", {})
    spec = PruneSpec.model_validate(report["spec"] | chosen)
    model, recovery = report["model"], report.get("recovery")
    return _TEMPLATE.format(
        base=f"base_model: {model['name']}\n" if model["revision"] else "",
        name=_name(model),
        lineage=_lineage(model),
        tag="structured-pruning" if metrics["parameters_removed"] else "sparsity",
        title=_title(metrics),
        size=_size(metrics),
        dense=_number(metrics["dense_perplexity"]),
        before=_before(metrics) if recovery else "",
        loading=_LOADING if spec.quantize else "",
        pruned=_number(metrics["pruned_perplexity"]),
        intervals=_intervals(metrics),
        training=_training(spec),
        steps="\n".join(
            f"- {step}"
            for step in (
                *pruning_steps(spec, environment),
                *gradual_steps(metrics),
                *card_steps(report),
                *_recovery_steps(report),
            )
        ),
        coverage=_coverage(spec, report),
        calibration=_protocol(report["calibration"]) + _keep_text(report),
        training_text=_training_text(recovery) if recovery else "",
        evaluation=_protocol(report["evaluation"]),
        speed=_speed(report) if "benchmark" in report else "",
        warnings="".join(f"**Warning**: {warning}\n\n" for warning in report["warnings"]),
        patterns=pattern_section(metrics["patterns"], is_quantized=spec.quantize is not None)
        + steps_section(metrics),
    )


def _coverage(spec: PruneSpec, report: dict[str, Any]) -> str:
    """Say what of the model was not changed."""
    if recipe_of(spec).cuts_blocks:
        trained = _KEPT_BUT_ROUTERS if spec.recover else _KEPT
        return _KEPT_TRAINED if spec.refine else trained
    metrics = report["metrics"]
    untouched = dict.fromkeys(name for block in report["blocks"] for name in block["untouched"])
    return _COVERAGE.format(
        coverage=100 * metrics["coverage"],
        others=f"{_others(spec)}: {_listed(untouched)}",
        fallbacks=metrics["fallbacks"] or "No",
    )


def _others(spec: PruneSpec) -> str:
    """Say what became of embeddings, head and the tensors that were not pruned."""
    outside = _EMBEDDINGS if spec.rotate is None else _ROTATED
    rows = _KEPT_ROWS if spec.vocabulary else ""
    return outside + rows + (_TRAINED_NORMS if _trains_norms(spec) else _UNCHANGED)


def _name(model: dict[str, Any]) -> str:
    """Return the name of the dense model.

    If the job started from another job's result, this is the model that the first job pruned."""
    if "lineage" in model:
        return PurePath(model["lineage"]["model"]).name
    name: str = model["name"]
    return PurePath(name).name if model["revision"] is None else name


def _lineage(model: dict[str, Any]) -> str:
    if "lineage" not in model:
        return ""
    jobs = ", which started from that of ".join(
        f"`{job_id}`" for job_id in model["lineage"]["jobs"]
    )
    return (
        f"The dense model of this job is the result of the job {jobs}. All figures compare with "
        "it.\n\n"
    )


def _title(metrics: dict[str, Any]) -> str:
    if removed := metrics["parameters_removed"]:
        share = removed / (metrics["parameters"] + removed)
        return f"with {100 * share:.1f} % fewer parameters"
    return f"pruned to {100 * metrics['sparsity']:.1f} % zeros"


def _size(metrics: dict[str, Any]) -> str:
    """Return the rows of the parameters, or of the zeros if no parameters were removed."""
    if removed := metrics["parameters_removed"]:
        left = metrics["parameters"]
        return f"| parameters | {left + removed:,} | {left:,} |"
    zeros = f"| zeros in the pruned layers | | {100 * metrics['sparsity']:.4f} % |"
    groups = [group for group in metrics.values() if isinstance(group, dict)]
    bits = next((group["bits_per_weight"] for group in groups if "bits_per_weight" in group), None)
    if bits is None:
        return zeros
    return f"| bits per weight of the pruned layers | | {bits:.2f} |\n{zeros}"


def _intervals(metrics: dict[str, Any]) -> str:
    """Return the row of the 95 % intervals; empty for fewer than two evaluation windows."""
    intervals = metrics["intervals"]
    if not intervals:
        return ""
    ends = (intervals[name] for name in ("dense_perplexity", "pruned_perplexity"))
    cells = (f"{_number(low)} to {_number(high)}" for low, high in ends)
    return f"| its 95 % interval | {' | '.join(cells)} |\n"


def _training(spec: PruneSpec) -> str:
    trained = ["trained block by block"] if spec.refine else []
    trained += ["trained to predict as the dense model does"] if spec.recover else []
    return f"and {', then '.join(trained)}" if trained else "without retraining"


def _trains_norms(spec: PruneSpec) -> bool:
    if spec.recover is not None and spec.recover.kind != "router":
        return True
    return spec.refine is not None and spec.refine.norms


def _recovery_steps(report: dict[str, Any]) -> Iterable[str]:
    """Describe the recovery of the pruned model, if there was one."""
    if "recovery" not in report:
        return
    settings, measured = report["recovery"]["settings"], report["metrics"]["recovery"]
    moved = measured.get("mask_moved")
    kept = "zeros kept" if moved is None else f"{moved:.2%} of the mask's places moved"
    if settings["kind"] == "router":
        kept = "nothing but the routers, as in [Router-KD](https://arxiv.org/abs/2603.02217)"
    yield (
        f"then trained by the recovery `{settings['kind']}`: {measured['steps']:,} steps on "
        f"{measured['tokens']:,} tokens, {kept}"
    )
    if settings.get("rounds"):
        yield "in each step the weights rounded as above, with gradients straight through"
    kl, temperature = settings["kl"], settings["temperature"]
    yield (
        f"training loss: {kl:g} of the divergence from the dense model at temperature "
        f"{temperature:g}, {1 - kl:g} of the cross-entropy of the text"
    )
    before, after = measured["held_out_loss_before"], measured["held_out_loss_after"]
    if measured["kept_start"]:
        yield f"no step lowered the held-out loss of {before:.4f}, so the weights are as pruned"
    else:
        kept = f"weights of step {measured['best_step']:,}"
        yield f"{kept}, which lowered the held-out loss from {before:.4f} to {after:.4f}"


def _keep_text(report: dict[str, Any]) -> str:
    if "keep" not in report:
        return ""
    what = "experts" if report["spec"]["method"] == MethodName.experts else "channels"
    return f"; {what} that matter on {_protocol(report['keep'])} were spared"


def _before(metrics: dict[str, Any]) -> str:
    value = _number(metrics["perplexity_before_recovery"])
    return f"| perplexity before recovery | | {value} |\n"


def _training_text(recovery: dict[str, Any]) -> str:
    return f"**Training**: {_protocol(recovery['training'])}.\n\n"


def _speed(report: dict[str, Any]) -> str:
    measured = report["benchmark"]
    sentences = "\n".join(f"- {sentence}" for sentence in report["metrics"]["speed"]["summary"])
    return (
        f"**Speed** in {measured['runtime']} {measured['version']} on `{measured['device']}`, "
        f"`{measured['dtype']}`, the pruned model over the dense one:\n\n{sentences}\n\n"
    )


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _protocol(provenance: dict[str, Any]) -> str:
    """Describe a text and its windows in one line."""
    if not provenance.get("tokens"):
        return "no text"
    return (
        f"{provenance['tokens']:,} tokens of `{provenance['dataset']}` ({provenance['split']}) "
        f"in windows of {provenance['window']}, "
        f"token ids sha256 `{provenance['token_ids_sha256'][:16]}…`"
    )
