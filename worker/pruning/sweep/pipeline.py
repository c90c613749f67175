"""One sweep over a model: calibrate, prune, propagate, evaluate and write, block by block."""

from collections.abc import Generator
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from worker.pruning.base.memory import (
    device_peak_bytes,
    fix_malloc_thresholds,
    peak_resident_bytes,
    trim_heap,
)
from worker.pruning.base.stopwatch import Stopwatch
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.methods.patterns import Pattern
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Shard, ShardWriter, copy_groups
from worker.pruning.model.streams import Streams
from worker.pruning.model.weights import Weights
from worker.pruning.planning.speed import Speed
from worker.pruning.stats.input_moments import Moments
from worker.pruning.sweep.block_pruner import BlockPruner
from worker.pruning.sweep.calibration import prune_fused, prune_reference
from worker.pruning.sweep.dense_block import Shadow
from worker.pruning.sweep.evaluation import Evaluation
from worker.pruning.sweep.fingerprint import fingerprint
from worker.pruning.sweep.gradients import BackwardSweep, GradientNorms
from worker.pruning.sweep.job_shapes import batches, planned
from worker.pruning.sweep.outliers import outlier_shares
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.recipe import Recipe
from worker.pruning.sweep.replay import replay
from worker.pruning.sweep.report import BlockReport, SweepResult, untouched


class Sweep:
    """Prunes one model into one folder.

    Memory holds one block and the activations, never the model; the next block waits in the
    system's page cache. While a block is there the evaluation windows go through it as well,
    through its dense weights and then through its pruned ones, so that one read of the checkpoint
    serves everything.
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
        dense_loss: float | None = None,
        speed: Speed | None = None,
    ) -> None:
        """Prepare, and take up what an earlier run of the same sweep left in ``out``.

        Args:
            meta_model: the model without its weights.
            recipe: how to prune.
            calibration: ``[windows, tokens]`` int64 ids that statistics are taken over.
            evaluation: ``[windows, tokens]`` int64 ids to measure the loss on; may be empty.
            out: an existing folder that gets the shards and their index, and a folder
                ``.progress`` that whoever hands ``out`` on deletes.
            token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
            memory_budget_bytes: the most that this process may hold; None for all there are.
            ranks: which part of the work is this process's; all are given the same arguments.
            dense_loss: of the dense model on ``evaluation``, where that is known already.
            speed: the machine's, so that the plan says how long it takes.

        Raises:
            PruningError: the model, or the memory there is, does not allow it.
        """
        recipe.check(meta_model)
        fix_malloc_thresholds()
        self._meta_model, self._recipe, self._token_loss = meta_model, recipe, token_loss
        self._ranks = ranks
        self._block_inputs = BlockInputs(meta_model)
        known = dense_loss is not None
        ids = (calibration, evaluation)
        plan = planned(
            meta_model, recipe, *ids, memory_budget_bytes, dense_known=known, speed=speed
        )
        given = fingerprint(meta_model, recipe, calibration, evaluation, token_loss)
        self._progress = Progress(out, given, ranks)
        setting = self._progress.once("setting", lambda: ranks.run_on_main(plan.setting_values))
        self.plan = plan.with_setting(setting)
        self._calibration = ranks.share_of(batches(calibration, self.plan.setting))
        # What a run began with holds until it ends: its streams are as long as that says.
        dense_loss = self._progress.once(
            "dense_loss", lambda: ranks.run_on_main(lambda: dense_loss)
        )
        self._dense_loss_known = dense_loss is not None
        measured = batches(evaluation, self.plan.setting)
        self._evaluation = Evaluation(
            meta_model, self._block_inputs, measured, token_loss, ranks, dense_loss
        )
        self._total = len(meta_model.blocks)
        inside = [f"{meta_model.block_name(index)}." for index in range(self._total)]
        self._rest = copy_groups(meta_model.checkpoint, meta_model.weights.sources_outside(inside))
        self._shards, self._seconds = ShardWriter(out, self._total + len(self._rest)), Stopwatch()

    @property
    def resumed_from_block(self) -> int | None:
        """The first block that is still to do, where an earlier run did those before it."""
        return self._progress.resumed_from_block

    @torch.no_grad()
    def run(self) -> Generator[BlockReport, None, SweepResult]:
        """Prune block after block in depth order.

        A generator, so that the caller owns the pace: it reports progress, renews its lease, or
        stops for a cancelled job between two blocks, and the core need not know of any of these.

        Yields:
            One report per block, after its shard is on the disk; those of an earlier run too.

        Raises:
            PruningError: the model or its numbers do not allow it.
        """
        with ExitStack() as stack:
            streams = self._open_streams(stack)
            self._embed(streams)
            with self._seconds("prune"):
                patterns = self._patterns(stack, streams)
                gradients = self._gradients(stack)
                written = self._take_up()
            measured = self._progress.knows("losses")
            known = self._total if measured else self._progress.restore(streams.named())
            for index, pattern in enumerate(patterns):
                if index >= self._progress.finished:
                    self._sweep_block(index, pattern, streams, gradients)
                elif index >= known:
                    replay(self._meta_model, self._block_inputs, written, index, streams)
                if index >= known:
                    self._progress.keep(index + 1, streams.named())
                yield self._progress.report(index)
            trim_heap()
            with self._seconds("prune"):
                self._ranks.run_on_main(self._write_rest)
            with self._seconds("evaluate"):
                dense, pruned = self._progress.once(
                    "losses", lambda: self._evaluation.losses(streams)
                )
            self._progress.close()
        self._ranks.barrier()  # until the scratch files of all are gone
        return self._result(dense, pruned)

    def _embed(self, streams: Streams) -> None:
        """Fill the streams with what goes into the first block."""
        with self._seconds("prune"), self._meta_model.loaded_embeddings():
            self._block_inputs.detect_output_format()
            self._block_inputs.embed(self._calibration, streams.calibration.append)
            self._evaluation.embed(streams)
        for hidden in streams.calibration if self._recipe.correction else ():
            streams.dense_calibration.append(hidden)
        trim_heap()

    def _take_up(self) -> Weights:
        """Go on counting where an earlier run stopped; return the weights as far as it got."""
        self._seconds.add(self._progress.seconds)
        if not self._progress.finished:
            return self._meta_model.weights
        written = self._shards.continue_from(self._progress.shards)
        return Weights(self._meta_model.model, self._meta_model.checkpoint.overlaid(written))

    def _sweep_block(
        self, index: int, pattern: Pattern, streams: Streams, gradients: GradientNorms | None
    ) -> None:
        name, before = self._meta_model.block_name(index), self._seconds.seconds["prune"]
        with self._seconds("prune"):
            stored = self._meta_model.read_block(index)
            if index + 1 < self._total:
                self._meta_model.read_ahead(index + 1)
        norms = gradients.read(index) if gradients else None
        config = self._meta_model.model.config.get_text_config()
        pruner = BlockPruner(name, stored, self._recipe, pattern, config, norms)
        with self._meta_model.loaded_block(index, stored) as block:
            with self._seconds("evaluate"):
                self._block_inputs.advance(block, index, streams.dense_evaluation)
            with self._seconds("prune"):
                self._prune(block, index, streams, pruner)
            with self._seconds("evaluate"):
                self._block_inputs.advance(block, index, streams.evaluation)
                error = self._evaluation.output_error(streams)
        with self._seconds("prune"):
            shard = self._ranks.run_on_main(lambda: self._write(index, stored))
        report = BlockReport(
            index=index,
            total=self._total,
            name=name,
            layers=tuple(pruner.reports),
            parameters=sum(value.numel() for value in stored.values()),
            untouched=untouched(stored, pruner.reports),
            output_error=error,
            prune_seconds=self._seconds.seconds["prune"] - before,
        )
        self._progress.finish(self._ranks.run_on_main(lambda: report), shard, self._seconds.seconds)

    def _write(self, index: int, stored: dict[str, Tensor]) -> Shard:
        tensors = self._meta_model.stored_block(index, stored)
        return self._shards.write(index + 1, tensors, self._progress.folder)

    def _prune(self, block: nn.Module, index: int, streams: Streams, pruner: BlockPruner) -> None:
        states = streams.calibration

        def forward(batch: int) -> Tensor:
            return self._block_inputs.call(block, index, states[batch])

        def advance(batch: int) -> None:
            states[batch] = forward(batch)

        def prune(layer: LinearLayer, moments: Moments) -> None:
            if self._ranks.is_main:
                pruner(layer, moments)
            self._ranks.broadcast(layer.oriented(layer.weight))

        layers = self._recipe.layers(self._meta_model.block_name(index), block)
        moments = self._recipe.new_moments
        shadow = (
            self._shadow(block, index, streams.dense_calibration)
            if self._recipe.correction
            else None
        )
        if self.plan.setting.propagation == "fused":
            probe = partial(self._block_inputs.run_sample, block, index)
            prune_fused(layers, advance, len(states), prune, moments, shadow, self._ranks, probe)
        else:
            prune_reference(layers, forward, len(states), prune, moments, shadow, self._ranks)
            self._block_inputs.advance(block, index, states)

    def _shadow(self, block: nn.Module, index: int, states: Activations) -> Shadow:
        """Return the still dense block's copy, ready to move the dense stream on."""
        twin = deepcopy(block)

        def advance(batch: int) -> None:
            states[batch] = self._block_inputs.call(twin, index, states[batch])

        layers = self._recipe.layers(self._meta_model.block_name(index), twin)
        return Shadow(layers, advance, len(states))

    def _patterns(self, stack: ExitStack, streams: Streams) -> tuple[Pattern, ...]:
        """Return each block's pattern; ``owl`` first looks at the dense model."""
        if self._recipe.allocation != "owl":
            return self._recipe.patterns([0.0] * self._total)

        def measure() -> list[float]:
            spill = self._scratch(stack) if streams.calibration.spills else None
            states = streams.calibration.copy(spill)
            shares = outlier_shares(
                self._meta_model, self._block_inputs, self._recipe, states, self._ranks
            )
            return list(shares)

        return self._recipe.patterns(self._progress.once("outlier_shares", measure))

    def _gradients(self, stack: ExitStack) -> GradientNorms | None:
        """Measure the gradients that the blocks still to do need."""
        if not self._recipe.needs_gradients or self._progress.finished == self._total:
            return None
        sweep = BackwardSweep(
            self._meta_model, self._block_inputs, self._recipe, self._token_loss, self._ranks
        )
        return sweep.measure(self._calibration, self._scratch(stack))

    def _write_rest(self) -> None:
        """Copy what belongs to no block as it stands."""
        for number, names in enumerate(self._rest, self._total + 1):
            read = self._meta_model.checkpoint.read
            self._shards.write(number, {name: read(name) for name in names}, self._progress.folder)
        self._shards.finish()

    def _result(self, dense_loss: float | None, pruned_loss: float | None) -> SweepResult:
        return SweepResult(
            dense_loss=dense_loss,
            dense_loss_known=self._dense_loss_known,
            pruned_loss=pruned_loss,
            propagation=self.plan.setting.propagation,
            prune_seconds=self._seconds.seconds["prune"],
            evaluate_seconds=self._seconds.seconds["evaluate"],
            resumed_from_block=self.resumed_from_block,
            plan=self.plan,
            peak_bytes=self._ranks.sum_of(peak_resident_bytes()),
            device_peak_bytes=self._device_peak(),
            shards=tuple(self._shards.written),
        )

    def _device_peak(self) -> int | None:
        """Return the most that any rank's GPU held, None on a CPU."""
        peaks = self._ranks.all_gather(device_peak_bytes(self._meta_model.device))
        return max(peaks)[0] or None

    def _open_streams(self, stack: ExitStack) -> Streams:
        """Keep activations in memory, or in scratch files beside the output when they are many."""
        if not self.plan.setting.spills:
            return Streams(*(Activations() for _ in range(4)))
        return Streams(*(Activations(self._scratch(stack)) for _ in range(4)))

    def _scratch(self, stack: ExitStack) -> Path:
        scratch = TemporaryDirectory(prefix="activations-", dir=self._progress.folder)
        return Path(stack.enter_context(scratch))
