"""The inputs for planning a job: its model's shapes, and the work that its recipe requires."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

from torch import Tensor

from worker.pruning.base.compute import dtype_name
from worker.pruning.base.shapes import BlockShape, LayerShape, ModelShape, ParameterCounts
from worker.pruning.base.speed import Speed
from worker.pruning.methods.allocation import BlockSparsities
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.memory_limits import headroom
from worker.pruning.planning.plan import Plan, plan
from worker.pruning.planning.workload import Workload
from worker.pruning.sweep.evaluation import COMPARED_WINDOWS, most_windows
from worker.pruning.sweep.recipe.measurement import needed_measurement
from worker.pruning.sweep.recipe.recipe import Recipe


def plan_pruning(
    meta_model: MetaModel,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    budget_bytes: int | None = None,
    *,
    dense_known: bool = False,
    compares: bool = False,
    speed: Speed | None = None,
) -> Plan:
    """Plan the pruning of a model, for the memory that is available now.

    Args:
        recipe: how to prune.
        calibration, evaluation: ``[windows, tokens]`` token ids.
        budget_bytes: the most memory that this process may hold; None for no such limit.
        dense_known: whether the dense model's loss is known; if so, it is not measured.
        compares: whether the predictions of the dense and the pruned model are compared.
        speed: the machine's speed, to predict the time.

    Raises:
        InsufficientMemoryError: the job does not fit into memory in any setting.
    """
    work = workload(meta_model, recipe, calibration, evaluation, compares=compares)
    if dense_known:
        few = max(COMPARED_WINDOWS, work.compared_windows)
        work = replace(work, dense_windows=min(few, work.evaluation_windows))
    return plan(
        model_shape(meta_model, recipe), work, headroom(meta_model.device, budget_bytes), speed
    )


def model_shape(meta_model: MetaModel, recipe: Recipe) -> ModelShape:
    """Return the model's shapes, from which a job with this recipe is planned."""
    config = meta_model.config
    eager = meta_model.model.config._attn_implementation == "eager"
    heads = getattr(config, "num_attention_heads", 0)  # some decoders have no attention
    layers = [layer for block in meta_model.blocks for layer in linear_layers(block)]
    return ModelShape(
        blocks=tuple(_block(meta_model, recipe, index) for index in range(len(meta_model.blocks))),
        embeddings=_part(meta_model, set(meta_model.embedding_names).__contains__),
        head=_part(meta_model, set(meta_model.head_names).__contains__),
        stored_bytes=meta_model.checkpoint.stored_bytes,
        hidden=config.hidden_size,
        widest=max(max(layer.oriented(layer.weight).shape) for layer in layers),
        vocabulary=config.vocab_size,
        scored_heads=heads if eager else 0,
        removed_bytes=_removed_bytes(meta_model, recipe),
    )


def _removed_bytes(meta_model: MetaModel, recipe: Recipe) -> int:
    if (reduction := recipe.reduction(meta_model)) is None:
        return 0
    blocks = _part(meta_model, lambda name: name.startswith(f"{meta_model.prefix}."))
    return blocks.stored_bytes * reduction.parameters_removed // blocks.numbers


def workload(
    meta_model: MetaModel,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    *,
    compares: bool = False,
) -> Workload:
    """Return the work that a recipe requires.

    ``calibration`` and ``evaluation`` are token ids ``[windows, tokens]``, and ``compares`` is
    whether the predictions of the dense and the pruned model are compared.
    """
    removal, seq_len, model = recipe.removal, calibration.shape[1], recipe.staged(meta_model)
    stages = tuple(stage.work(model) for stage in recipe.stages)
    measured = evaluation.shape[1] if len(evaluation) else seq_len
    return Workload(
        calibration_windows=len(calibration),
        evaluation_windows=len(evaluation),
        seq_len=seq_len,
        dtype=dtype_name(meta_model.dtype),
        device=meta_model.device.type,
        method=recipe.scorer.name if recipe.scorer else None,
        solver=recipe.solver.name if recipe.solver else None,
        propagation=recipe.propagation,
        allocation=_measured(recipe),
        corrects=recipe.is_corrected,
        needs_gradients=recipe.takes_gradients,
        swaps=recipe.swaps is not None,
        evaluation_seq_len=None if measured == seq_len else measured,
        compared_windows=min(len(evaluation), most_windows(measured)) if compares else 0,
        repairs_units=recipe.repairs_units,
        calibrates_blocks=_calibrates_blocks(recipe) or any(stage.passes for stage in stages),
        measures_layers=not recipe.cuts_blocks,
        own=recipe.own,
        measuring=removal.measuring(meta_model, calibration) if removal else None,
        stages=stages,
    )


def _calibrates_blocks(recipe: Recipe) -> bool:
    return not (recipe.is_chosen_first or recipe.removes_as_dense)


def _measured(recipe: Recipe) -> str | None:
    """Return the name of what is measured in the dense model first; None if nothing is."""
    measurement = needed_measurement(recipe)
    measures_blocks = measurement is not None and measurement.of_block is None
    if measures_blocks or recipe.is_chosen_first:
        return "depth"
    allocation = recipe.allocation
    return None if isinstance(allocation, str | BlockSparsities) else allocation.name


def _block(meta_model: MetaModel, recipe: Recipe, index: int) -> BlockShape:
    prefix = f"{meta_model.block_name(index)}."
    # What is cut needs no inputs of layers, but the costs of a forward are those of layers.
    of_block = recipe.kept_layers if recipe.cuts_blocks else recipe.layers
    layers = of_block(meta_model, index, meta_model.blocks[index])
    return BlockShape(
        _part(meta_model, lambda name: name.startswith(prefix)),
        layer_shapes(layers, routed_to(meta_model)),
        _of_units(meta_model, recipe, index),
    )


def _of_units(meta_model: MetaModel, recipe: Recipe, index: int) -> tuple[int, ...]:
    """Return the sizes of the parameters of which units have a part, if units are measured."""
    if (removal := recipe.removal) is None or not removal.measures_units:
        return ()
    block = meta_model.blocks[index]
    slices = (piece for units in removal.units(block, meta_model.config) for piece in units.slices)
    names = dict.fromkeys(piece.parameter for piece in slices)
    return tuple(block.get_parameter(name).numel() for name in names)


def _part(meta_model: MetaModel, wanted: Callable[[str], bool]) -> ParameterCounts:
    plain, joined = meta_model.weights.sources_of(wanted)
    entries: Counter[str] = Counter()
    largest = 0
    for source in plain + joined:
        stored = meta_model.checkpoint.tensors[source]
        count = prod(stored.shape)
        entries[dtype_name(stored.dtype)] += count
        largest = max(largest, count)
    joined_bytes = sum(meta_model.checkpoint.tensors[source].read_bytes for source in joined)
    return ParameterCounts(entries, largest, joined_bytes)


def routed_to(meta_model: MetaModel) -> int | None:
    """Return how many experts each token is routed to; None if the config has no such number."""
    return getattr(meta_model.config, "num_experts_per_tok", None)


def layer_shapes(layers: Sequence[LinearLayer], chosen: int | None) -> tuple[LayerShape, ...]:
    """Return the shapes of a block's layers.

    Args:
        layers: all layers of the block.
        chosen: how many experts each token is routed to; None if the config has no such number.
    """
    return tuple(_layer(layers, place, chosen) for place in range(len(layers)))


def _layer(layers: Sequence[LinearLayer], place: int, chosen: int | None) -> LayerShape:
    """Return the shape of one of a block's layers.

    Consecutive layers of a module are assumed to read the same tensor if their inputs have the
    same width. The module's last layer is assumed to read the outputs of the others. Attention and
    gated MLPs are built like this.

    Args:
        layers: all layers of the block.
        place: index of the layer.
        chosen: how many experts each token is routed to; None if the config has no such number.
    """
    layer, around = layers[place], layers[max(0, place - 1) : place + 2]
    outputs, inputs = layer.oriented(layer.weight).shape
    module = [_parent(neighbour) == _parent(layer) for neighbour in around]
    follows = place > 0 and module[0] and layers[place - 1].inputs == inputs
    is_last = not (place + 1 < len(layers) and module[-1])
    stack = 1 if layer.expert is None else len(layer.weight)
    reach = min(1.0, chosen / stack) if chosen and stack > 1 else 1.0
    return LayerShape(outputs, inputs, follows and not is_last, reach)


def _parent(layer: LinearLayer) -> str:
    return layer.name.rpartition(".")[0]
