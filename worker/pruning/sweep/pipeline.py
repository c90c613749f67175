"""The pruning of a model, block by block: calibrate, prune, propagate, evaluate and write."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
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
from worker.pruning.base.stopwatch import Stopwatch
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.methods.patterns import BlockPattern
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.refinement.results import RefinementProgress
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.sweep.block_pass import BlockPass
from worker.pruning.sweep.block_pruners import BlockPruners
from worker.pruning.sweep.block_quantizer import BlockQuantizer
from worker.pruning.sweep.evaluation import Evaluation
from worker.pruning.sweep.fingerprint import fingerprint
from worker.pruning.sweep.job_shapes import plan_pruning, split_batches, split_texts
from worker.pruning.sweep.measuring.dense_scores import DenseScores
from worker.pruning.sweep.measuring.gradient_pass import GradientPass
from worker.pruning.sweep.measuring.measurement_cache import MeasurementCache, measurement_basis
from worker.pruning.sweep.output import ModelOutput
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.recipe.block_patterns import block_patterns
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.measurement import Measurement, needed_measurement
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.removal.block_distances import BlockDistances
from worker.pruning.sweep.removal.unit_choice import UnitChoice
from worker.pruning.sweep.replay import replay
from worker.pruning.sweep.results import BlockResult, PruningResult, UnitProgress, untouched

SweepStep = BlockResult | RefinementProgress | UnitProgress


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

        Raises:
            PruningError: the recipe does not fit the model, or memory does not suffice.
            ValueError: the recipe's increment continues another, and the dense model is not given.
        """
        if recipe.increment.continues != (dense is not None and dense_losses is not None):
            raise ValueError("an increment that continues another takes the dense model, too")
        self._dense = dense or meta_model
        check_recipe(recipe, meta_model)
        self._scheme = recipe.scheme(meta_model)
        fix_malloc_thresholds()
        self._meta_model, self._recipe, self._token_loss = meta_model, recipe, token_loss
        self._ranks, self._total = ranks, len(meta_model.blocks)
        self._block_inputs = BlockInputs(meta_model)
        ids, known = (calibration, evaluation), dense_losses is not None
        plan = plan_pruning(
            meta_model, recipe, *ids, memory_budget_bytes, dense_known=known, speed=speed
        )
        start = meta_model if dense else None
        self._given = fingerprint(self._dense, recipe, *ids, token_loss, start)
        self._progress = Progress(out, self._given, ranks)
        # A resumed run keeps the earlier run's values; both decide the length of its streams.
        self.plan = plan.with_setting(self._progress.decide_once("setting", plan.setting_values))
        known_losses = self._progress.decide_once("dense_losses", lambda: dense_losses)
        self._dense_loss_known = known_losses is not None
        setting = self.plan.setting
        # The batches of a second text are separate, so that their inputs can be measured apart.
        texts = split_texts(calibration, recipe.spared_windows, setting)
        self._calibration = ranks.share_of([batch for text in texts for batch in text])
        of_text = ranks.share_of([number for number, text in enumerate(texts) for _ in text])
        second = {batch for batch, number in enumerate(of_text) if number} if texts[1:] else None
        reduction = recipe.reduction(meta_model)
        self._pruners = BlockPruners(meta_model, recipe, reduction, second)
        self._windows = calibration
        measured = split_batches(evaluation, setting)
        self._evaluation = Evaluation(
            meta_model, self._block_inputs, measured, token_loss, ranks, known_losses
        )
        self._output = ModelOutput(meta_model, out, self._progress.folder)
        self._pass = BlockPass(
            meta_model, self._block_inputs, recipe, setting.propagation, ranks, calibration
        )
        self._seconds = Stopwatch()
        self._distances: list[float] = []
        self._measurements = MeasurementCache(measurements, ranks)

    @property
    def resumed_from_block(self) -> int | None:
        """Index of the first block that this run prunes; None if it starts at the first block.

        If an earlier run has finished all blocks, this is the number of blocks.
        """
        return self._progress.resumed_from_block

    def run(self) -> Generator[BlockResult, None, PruningResult]:
        """Prune as `steps` does, but yield only block results, not the progress of refinement."""
        return of_type(BlockResult, self.steps())

    @torch.no_grad()
    def steps(self) -> Generator[SweepStep, None, PruningResult]:
        """Prune block after block in depth order.

        This is a generator, so that the caller can report progress, renew a lease or stop after
        each result.

        Yields:
            The result of each block, after its shard is on the disk; this includes blocks that an
            earlier run pruned. If blocks are refined, also the progress after each optimizer step;
            and if measurements choose units, the progress of these before the first block.

        Raises:
            PruningError: the model or its weights cannot be pruned.
        """
        with ExitStack() as stack:
            streams = self._open_streams(stack)
            self._embed(streams)
            yield from self._choose_units(stack)
            with self._seconds("prune"):
                patterns = self._patterns(stack, streams)
                gradients = self._gradients(stack)
                self._seconds.add(self._progress.seconds)  # of an earlier run
                written = self._output.resume(self._progress.shards)
            measured = self._progress.is_measured("window_losses")
            known = self._total if measured else self._progress.restore_streams(streams.named())
            for index, pattern in enumerate(patterns):
                if index >= self._progress.finished:
                    yield from self._prune_block(index, pattern, streams, gradients)
                elif index >= known:
                    replay(self._dense, self._block_inputs, written, index, streams)
                if index >= known:
                    self._progress.save_streams(index + 1, streams.named())
                yield self._progress.result(index)
            trim_heap()
            with self._seconds("prune"):
                self._ranks.run_on_main(self._output.finish)
            with self._seconds("evaluate"):
                dense_losses, pruned_losses = self._progress.measure_once(
                    "window_losses", lambda: self._evaluation.losses(streams)
                )
            self._progress.delete_snapshot()
        self._ranks.barrier()  # until the scratch files of all ranks are deleted
        return self._result(tuple(dense_losses), tuple(pruned_losses))

    def _embed(self, streams: Streams) -> None:
        """Fill the streams with the inputs of the first block."""
        with self._seconds("prune"), self._meta_model.loaded_embeddings():
            self._block_inputs.detect_output_format()
            self._block_inputs.embed(self._calibration, streams.calibration.append)
            self._evaluation.embed(streams)
            self._pass.embed()
        for hidden in streams.calibration if self._recipe.follows_dense else ():
            streams.dense_calibration.append(hidden)
        trim_heap()

    def _prune_block(
        self,
        index: int,
        pattern: BlockPattern | None,
        streams: Streams,
        gradients: GradientNorms | None,
    ) -> Generator[RefinementProgress, None, None]:
        name, before = self._meta_model.block_name(index), self._seconds.seconds["prune"]
        with self._seconds("prune"):
            stored = self._meta_model.read_block(index)
            if index + 1 < self._total:
                self._meta_model.read_ahead(index + 1)
        dense = self._run_dense_model(index, pattern, streams)
        pruner = None
        if pattern:
            pruner = self._pruners.pruner(index, pattern, stored, gradients, dense)
        quantizer = BlockQuantizer(name, stored, self._scheme) if self._scheme else None
        with self._meta_model.loaded_block(index, stored) as block:
            if not self._recipe.increment.continues:  # the block is still dense
                self._run_dense(block, index, pattern, streams)
            steps = self._pass.run(block, index, stored, streams, pruner, quantizer)
            refinement = yield from self._seconds.each("prune", steps)
            with self._seconds("evaluate"):
                self._block_inputs.advance(block, index, streams.evaluation)
                error = self._evaluation.output_error(streams)
        with self._seconds("prune"):
            packed = quantizer.matrices if quantizer else None
            write = partial(self._output.write_block, index, stored, packed)
            shard = self._ranks.run_on_main(write)
        sizes = pruner.sizes() if pruner else {}
        results = tuple(pruner.results) if pruner else ()
        result = BlockResult(
            index=index,
            total=self._total,
            name=name,
            layers=results,
            parameters=sum(sizes.values()),
            untouched=untouched(sizes, results),
            output_error=error,
            prune_seconds=self._seconds.seconds["prune"] - before,
            refinement=refinement,
            removed=tuple(pruner.removed) if pruner else (),
            parameters_removed=sum(map(Tensor.numel, stored.values())) - sum(sizes.values()),
            distance=self._distances[index] if self._distances else None,
            is_dropped=pattern is None,
            quantized=tuple(quantizer.results) if quantizer else (),
        )
        self._progress.record_block(result, shard, self._seconds.seconds)

    def _run_dense_model(
        self, index: int, pattern: BlockPattern | None, streams: Streams
    ) -> dict[str, Tensor] | None:
        """Run a block of the dense model, if an earlier increment has pruned the block.

        Returns:
            The parameters of the dense block, if a correction takes them.
        """
        if not self._recipe.increment.continues:
            return None
        with self._seconds("prune"):
            parameters = self._dense.read_block(index)
        with self._dense.loaded_block(index, parameters) as block:
            self._run_dense(block, index, pattern, streams)
        return parameters if self._recipe.is_corrected else None

    def _run_dense(
        self, block: nn.Module, index: int, pattern: BlockPattern | None, streams: Streams
    ) -> None:
        with self._seconds("evaluate"):
            self._block_inputs.advance(block, index, streams.dense_evaluation)
        with self._seconds("prune"):
            self._pass.run_dense(block, index, streams, is_dropped=pattern is None)

    def _patterns(self, stack: ExitStack, streams: Streams) -> tuple[BlockPattern | None, ...]:
        """Return each block's pattern; None for a block that is removed.

        Most allocations measure the dense model first; the removal of blocks measures the model
        that it removes them from.
        """
        measurement = needed_measurement(self._recipe)
        if measurement is None:
            return block_patterns(self._recipe, [None] * self._total)

        def measure() -> list[Any]:
            spill = self._scratch(stack) if streams.calibration.spills else None
            states = streams.calibration.copy(spill)
            model, inputs = self._meta_model, self._block_inputs
            if measurement.of_block is None:
                return BlockDistances(model, inputs, self._ranks).measure(states)
            scores = DenseScores(self._dense, inputs, self._recipe, self._ranks)
            return list(scores.measure(states, measurement.of_block))

        def known_or_measured() -> list[Any]:
            return self._measurements.once(self._basis_of(measurement), measure)

        measured = self._progress.measure_once("allocation", known_or_measured)
        patterns = block_patterns(self._recipe, measured)
        if measurement.of_block is None:
            self._distances = measured
        if not isinstance(removal := self._recipe.removal, Depth):
            return patterns
        dropped = removal.chosen(self._meta_model, measured)
        removal.fields(self._meta_model, dropped)  # raises an error if no config describes the rest
        return tuple(None if at in dropped else one for at, one in enumerate(patterns))

    def _choose_units(self, stack: ExitStack) -> Generator[UnitProgress, None, None]:
        """Choose the units that are removed, if measurements of the whole model decide."""
        removal, reduction = self._recipe.removal, self._pruners.reduction
        if not isinstance(removal, MeasuredUnits) or reduction is None:
            return
        run = (self._token_loss, self._ranks, self.plan.setting, self._progress)
        scratch = partial(self._scratch, stack)
        choice = UnitChoice(self._meta_model, self._block_inputs, removal, reduction, *run, scratch)
        once = partial(self._measurements.once, self._basis_of(Measurement(None, ["importance"])))
        steps = choice.choose(self._windows, once)
        removed = yield from self._seconds.each("prune", steps)
        self._pruners = replace(self._pruners, removed=removed)

    def _basis_of(self, measurement: Measurement) -> dict[str, Any]:
        """Return everything that a measurement before the sweep depends on, ready for JSON."""
        batch = self.plan.setting.batch_tokens
        return measurement_basis(measurement, self._given, batch, self._ranks)

    def _gradients(self, stack: ExitStack) -> GradientNorms | None:
        """Measure the gradients if the recipe needs them and some block is not pruned yet."""
        if not self._recipe.takes_gradients or self._progress.finished == self._total:
            return None
        gradient_pass = GradientPass(
            self._meta_model, self._block_inputs, self._recipe, self._token_loss, self._ranks
        )
        return gradient_pass.measure(self._calibration, self._scratch(stack))

    def _result(
        self, dense_losses: tuple[float, ...], pruned_losses: tuple[float, ...]
    ) -> PruningResult:
        device_peaks = self._ranks.all_gather(device_peak_bytes(self._meta_model.device))
        return PruningResult(
            dense_losses=dense_losses,
            dense_loss_known=self._dense_loss_known,
            pruned_losses=pruned_losses,
            propagation=self.plan.setting.propagation,
            prune_seconds=self._seconds.seconds["prune"],
            evaluate_seconds=self._seconds.seconds["evaluate"],
            resumed_from_block=self.resumed_from_block,
            plan=self.plan,
            peak_bytes=self._ranks.sum_of(peak_resident_bytes()),
            device_peak_bytes=max(device_peaks)[0] or None,
            shards=tuple(self._output.shards),
        )

    def _open_streams(self, stack: ExitStack) -> Streams:
        """Return empty streams, in memory or, where the plan says so, in scratch files."""
        spills = self.plan.setting.spills
        return Streams(*(Activations(self._scratch(stack) if spills else None) for _ in range(5)))

    def _scratch(self, stack: ExitStack) -> Path:
        scratch = TemporaryDirectory(prefix="activations-", dir=self._progress.folder)
        return Path(stack.enter_context(scratch))
