"""The pruning of a model, block by block: calibrate, prune, propagate, evaluate and write."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from worker.pruning.base.generators import of_type
from worker.pruning.base.memory import (
    device_peak_bytes,
    fix_malloc_thresholds,
    peak_resident_bytes,
    trim_heap,
)
from worker.pruning.base.speed import Speed
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.base.stopwatch import Stopwatch
from worker.pruning.calibration.calibrated_block import Calibration
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenDistances, TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure
from worker.pruning.model.streams import Streams
from worker.pruning.model.weights import Weights
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.sweep.batches import CalibrationBatches, split_batches
from worker.pruning.sweep.block_pass import BlockPass
from worker.pruning.sweep.block_pruners import BlockPruners
from worker.pruning.sweep.block_result import block_result
from worker.pruning.sweep.cut_blocks import CutBlocks
from worker.pruning.sweep.dense_blocks import DenseBlocks
from worker.pruning.sweep.evaluation import Evaluation
from worker.pruning.sweep.fingerprint import fingerprint, plain_values
from worker.pruning.sweep.job_shapes import plan_pruning
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.measurement.dense_moments import dense_moments
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache
from worker.pruning.sweep.measurement.measurements import KNOWN, BlockDecision, Measurements
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.output import ModelOutput
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.recipe.stage import StageResult
from worker.pruning.sweep.removal.first_check import check_removal
from worker.pruning.sweep.removal.unit_choice import ChosenUnits
from worker.pruning.sweep.replay import replay
from worker.pruning.sweep.results import BlockResult, PruningResult, UnitProgress
from worker.pruning.sweep.scratch_folders import NewFolder, scratch_folders

SweepStep = BlockResult | StageProgress | UnitProgress
_DENSE_LOSSES = "dense_losses"


class ModelPruner:
    """Prunes one model into one folder.

    One block is in memory at a time, never the whole model; the next block is read ahead into the
    page cache. While a block is in memory, evaluation windows also run through it: first with its
    dense weights, then with its pruned weights. So evaluation does not read the blocks again.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        recipe: Recipe,
        calibration: Tensor,
        evaluation: Tensor,
        out: Path,
        token_loss: TokenLoss,
        *,
        memory_budget_bytes: int | None = None,
        ranks: Ranks = SINGLE_PROCESS,
        dense_losses: Sequence[float] | None = None,
        speed: Speed | None = None,
        measurements: Path | None = None,
        dense: MetaModel | None = None,
        measure: Measure | None = None,
        token_distances: TokenDistances | None = None,
    ) -> None:
        """Prepare the run; resume an earlier run of the same pruning if ``out`` contains one.

        Args:
            meta_model: the model to prune, without its weights: the dense model, or the result of
                the increment before.
            recipe: how to prune the model.
            calibration: token ids for the statistics, ``[windows, tokens]`` int64.
            evaluation: token ids to measure the loss on, ``[windows, tokens]`` int64; may be empty.
            out: an existing folder for the shards and their index, and for a folder ``.progress``
                that has to be deleted before ``out`` is published.
            token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
            memory_budget_bytes: the most memory that this process may hold; None for no such limit.
            ranks: the ranks that share the work; all get the same arguments.
            dense_losses: the dense model's loss on each window of ``evaluation``, if known.
            speed: the machine's speed, so that the plan predicts the time.
            measurements: the folder of a `MeasurementCache`; if None, nothing is cached.
            dense: the dense model, if the recipe's increment continues another, with the modules of
                ``meta_model``; ``dense_losses`` have to be known then.
            measure: measures each shard while its tensors are in memory; None to measure nothing.
            token_distances: ``(dense logits, pruned logits [n, vocabulary], targets [n]) ->
                [n, 4]``; None to compare no predictions.

        Raises:
            PruningError: the recipe does not fit the model, or memory does not suffice.
            ValueError: the recipe's increment continues another, and the dense model or its losses
                are not given; or it continues none, and both are.
        """
        if recipe.increment.continues != (dense is not None and dense_losses is not None):
            raise ValueError("an increment that continues another takes the dense model, too")
        check_recipe(recipe, meta_model)
        fix_malloc_thresholds()
        self._meta_model, self._dense, self._recipe = meta_model, dense or meta_model, recipe
        self._windows, self._token_loss, self._ranks = calibration, token_loss, ranks
        self._total, self._seconds = len(meta_model.blocks), Stopwatch()
        self._block_inputs = BlockInputs(meta_model)
        self._cache = MeasurementCache(measurements, ranks)
        plan = plan_pruning(
            meta_model,
            recipe,
            calibration,
            evaluation,
            memory_budget_bytes,
            dense_known=dense_losses is not None,
            compares=token_distances is not None,
            speed=speed,
        )
        start = meta_model if dense else None
        self._given = fingerprint(self._dense, recipe, calibration, evaluation, token_loss, start)
        compared = {"distances": plain_values(token_distances)}
        self._progress = Progress(out, self._given | compared, ranks)
        # A resumed run keeps the earlier run's values; both decide the length of its streams.
        self.plan = plan.with_setting(self._progress.decide_once("setting", plan.setting_values))
        self._evaluation = Evaluation(
            meta_model,
            self._block_inputs,
            split_batches(evaluation, self.plan.setting),
            token_loss,
            ranks,
            self._progress.decide_once(_DENSE_LOSSES, lambda: dense_losses),
            token_distances,
        )
        left_out = recipe.left_out(meta_model)
        self._output = ModelOutput(meta_model, out, self._progress.folder, measure, left_out)
        self._moments = dense_moments(
            recipe, meta_model, self._given, self.plan.setting, measurements, ranks
        )
        self._open_blocks()

    def _open_blocks(self) -> None:
        """Open what runs the calibration windows through the blocks, and what prunes these."""
        model, recipe, setting = self._meta_model, self._recipe, self.plan.setting
        inputs, ranks, seconds = self._block_inputs, self._ranks, self._seconds
        batches = CalibrationBatches.split(self._windows, recipe.spared_windows, setting, ranks)
        self._calibration, second_text = batches.ids, batches.second_text
        is_fused = setting.propagation == "fused"
        run = Calibration(model, inputs, ranks, self._windows, is_fused)
        self._pruners = BlockPruners(model, recipe, recipe.reduction(model), second_text)
        self._pass = BlockPass(run, recipe, self._moments)
        self._cuts = CutBlocks.of(recipe, run, second_text, seconds)
        self._dense_blocks = DenseBlocks(self._dense, inputs, recipe, self._pass, seconds)

    @property
    def resumed_from_block(self) -> int | None:
        """Index of the first block that this run prunes; None if it starts at the first block.

        If an earlier run has finished all blocks, this is the number of blocks.
        """
        return self._progress.resumed_from_block

    def run(self) -> Generator[BlockResult, None, PruningResult]:
        """Prune as `steps` does, but yield only block results, not the progress of stages."""
        return of_type(BlockResult, self.steps())

    @torch.no_grad()
    def steps(self) -> Generator[SweepStep, None, PruningResult]:
        """Prune block after block in depth order.

        This is a generator, so that the caller can report progress, renew a lease or stop after
        each result.

        Yields:
            The result of each block, after its shard is on the disk; this includes blocks that an
            earlier run pruned. If stages train the blocks, also the progress after each step;
            and if measurements choose units, the progress of these before the first block.

        Raises:
            PruningError: the model or its weights cannot be pruned.
        """
        with scratch_folders(self._progress.folder) as new_folder:
            streams = self._open_streams(new_folder)
            self._embed(streams)
            self._check_removal()
            measurements = self._measurements(new_folder)
            chosen = yield from self._choose(measurements, streams)
            with self._seconds("prune"):
                decisions = measurements.decisions(streams.calibration)
                gradients = measurements.gradients(self._calibration)
                self._seconds.add(self._progress.seconds)  # of an earlier run
                written = self._output.resume(self._progress.shards, self._cuts.smaller)
            yield from self._run_blocks(decisions, streams, gradients, written)
            trim_heap()
            with self._seconds("prune"):
                self._ranks.run_on_main(self._output.finish)
            with self._seconds("evaluate"):
                losses = self._progress.measure_once(
                    "window_losses", lambda: self._evaluation.losses(streams, self._output.weights)
                )
            self._progress.delete_snapshot()
        self._ranks.barrier()  # until the scratch files of all ranks are deleted
        result = self._result(*losses)
        if chosen is None:
            return result
        return replace(result, changed=chosen.changed, probabilities=chosen.probabilities)

    def _choose(
        self, measurements: Measurements, streams: Streams
    ) -> Generator[UnitProgress, None, ChosenUnits | None]:
        """Choose what all blocks lose, if measurements decide; return the units, if any."""
        choice = measurements.units(self._windows, self._pruners.reduction)
        chosen = yield from self._seconds.each("prune", choice)
        if chosen is not None:
            self._pruners = replace(self._pruners, removed=chosen.removed)
        measured_cutter = measurements.cutter(self._cuts.cutter, streams.calibration)
        cutter = yield from self._seconds.each("prune", measured_cutter)
        self._cuts = replace(self._cuts, cutter=cutter)
        return chosen

    def _run_blocks(
        self,
        decisions: Sequence[BlockDecision],
        streams: Streams,
        gradients: GradientNorms | None,
        written: Weights,
    ) -> Generator[SweepStep, None, None]:
        """Prune the blocks that are left; run the streams through those that are written.

        After the evaluation nothing reads the streams any more, so that none is restored.
        """
        is_evaluated = self._progress.is_measured("window_losses")
        passed = self._total if is_evaluated else self._progress.restore_streams(streams.named())
        for index, decision in enumerate(decisions):
            if index >= self._progress.finished:
                yield from self._prune_block(index, decision, streams, gradients)
            elif index >= passed:
                replay(self._dense, self._cuts.model, self._block_inputs, written, index, streams)
            if index >= passed:
                self._progress.save_streams(index + 1, streams.named())
            yield self._progress.result(index)

    def _measurements(self, new_folder: NewFolder) -> Measurements:
        run = ModelRun(
            self._meta_model,
            self._block_inputs,
            self._token_loss,
            self._ranks,
            self.plan.setting,
            self._progress,
            new_folder,
        )
        return Measurements(run, self._dense, self._recipe, self._given, self._cache)

    def _embed(self, streams: Streams) -> None:
        """Fill the streams with the inputs of the first block."""
        with self._seconds("prune"), self._meta_model.loaded_embeddings(self._copied_rest()):
            self._block_inputs.detect_output_format()
            self._embed_calibration(streams)
            self._evaluation.embed(streams)
            self._pass.embed()
        for hidden in streams.calibration if self._recipe.follows_dense else ():
            streams.dense_calibration.append(hidden)
        trim_heap()

    def _embed_calibration(self, streams: Streams) -> None:
        if self._moments is None:
            self._block_inputs.embed(self._calibration, streams.calibration.append)
            return
        is_known = self._moments.is_known
        self._progress.measure_once(KNOWN, lambda: is_known)
        if not is_known:
            self._block_inputs.embed(self._calibration, streams.dense_calibration.append)

    def _copied_rest(self) -> dict[str, Tensor]:
        """Copy the tensors outside the blocks to the output; return those of the embeddings.

        Nothing changes them, so that this need not wait, and spares a second reading.
        """
        if not self._ranks.is_main:
            return {}
        names = set(self._meta_model.embedding_names)
        plain, joined = self._meta_model.weights.sources_of(names.__contains__)
        return self._output.copy_rest({*plain, *joined})

    def _check_removal(self) -> None:
        """Check what is removed before it is measured, which can take long."""
        if self._recipe.removal is not None:
            check_removal(self._meta_model, self._block_inputs, self._recipe.removal)
            trim_heap()

    def _prune_block(
        self,
        index: int,
        decision: BlockDecision,
        streams: Streams,
        gradients: GradientNorms | None,
    ) -> Generator[StageProgress, None, None]:
        before, pattern = self._seconds.seconds["prune"], decision.pattern
        with self._seconds("prune"):
            stored = self._meta_model.read_block(index)
            if index + 1 < self._total:
                self._meta_model.read_ahead(index + 1)
        dropped, numbers = pattern is None, sum(map(Tensor.numel, stored.values()))
        dense = self._dense_blocks.run_stored(index, streams, is_dropped=dropped)
        with self._meta_model.loaded_block(index, stored) as block:
            cut = self._cuts.cut(block, index, stored, streams)
            self._dense_blocks.run_unpruned(block, index, streams, is_dropped=dropped)
            if cut is None:
                pruner = self._pruners.pruner(index, pattern, stored, gradients, dense)
                stages, error = yield from self._run(block, index, stored, streams, pruner)
        if cut is not None:
            stored = cut.parameters
            with self._cuts.model.loaded_block(index, stored) as block:
                pruner = self._pruners.pruner(index, pattern, stored, gradients)
                stages, error = yield from self._run(block, index, stored, streams, pruner)
            stages = [cut.result, *stages]
        with self._seconds("prune"):
            packed = {name: value for stage in stages for name, value in stage.packed.items()}
            copied = {name: source for stage in stages for name, source in stage.copied.items()}
            write = partial(self._output.write_block, index, stored, packed, copied)
            shard = self._ranks.run_on_main(write)
        seconds = self._seconds.seconds["prune"] - before
        result = block_result(
            self._meta_model,
            index,
            decision,
            pruner,
            stages,
            numbers,
            output_error=error,
            prune_seconds=seconds,
        )
        self._progress.record_block(result, shard, self._seconds.seconds)

    def _run(
        self,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        streams: Streams,
        pruner: LayerPruner[Any] | None,
    ) -> Generator[StageProgress, None, tuple[list[StageResult], float | None]]:
        """Prune a loaded block; return what stages have done, and the error of its outputs."""
        steps = self._pass.run(block, index, stored, streams, pruner)
        stages = yield from self._seconds.each("prune", steps)
        with self._seconds("evaluate"):
            self._block_inputs.advance(block, index, streams.evaluation)
            name = self._meta_model.block_name(index)
            return stages, self._evaluation.output_error(streams, name)

    def _result(
        self, dense: list[float], pruned: list[float], distances: list[list[float]]
    ) -> PruningResult:
        device_peaks = self._ranks.all_gather(device_peak_bytes(self._meta_model.device))
        return PruningResult(
            dense_losses=tuple(dense),
            dense_loss_known=self._progress.fact(_DENSE_LOSSES) is not None,
            scores_known=self._progress.fact(KNOWN),
            pruned_losses=tuple(pruned),
            distances=tuple(map(tuple, distances)),
            propagation=self.plan.setting.propagation,
            prune_seconds=self._seconds.seconds["prune"],
            evaluate_seconds=self._seconds.seconds["evaluate"],
            resumed_from_block=self.resumed_from_block,
            plan=self.plan,
            peak_bytes=self._ranks.sum_of(peak_resident_bytes()),
            device_peak_bytes=max(device_peaks)[0] or None,
            shards=tuple(self._output.shards),
        )

    def _open_streams(self, new_folder: NewFolder) -> Streams:
        """Return empty streams, in memory or, where the plan says so, in scratch files."""
        spills = self.plan.setting.spills
        return Streams(*(Activations(new_folder() if spills else None) for _ in range(5)))
