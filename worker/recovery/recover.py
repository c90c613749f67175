"""The recovery of a pruned model: store the dense model's predictions, train, write the result."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.base.memory import (
    device_peak_bytes,
    fix_malloc_thresholds,
    peak_resident_bytes,
    trim_heap,
)
from worker.pruning.base.speed import Speed
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.methods.patterns import Pattern
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.model.shards import Measure
from worker.pruning.planning.memory_limits import headroom
from worker.pruning.sweep.output import ModelOutput
from worker.recovery.evaluation import evaluation_losses
from worker.recovery.fingerprint import predictions_basis, recovery_fingerprint
from worker.recovery.forward_stream import open_block_inputs
from worker.recovery.head import DistillationHead, Head
from worker.recovery.kinds.mask_change import MaskChange
from worker.recovery.kinds.registry import parametrize
from worker.recovery.model_pair import check_pair
from worker.recovery.optimizer import Optimizer
from worker.recovery.planning.plan import plan_recovery
from worker.recovery.recovery_log import RecoveryLog, TrainingState
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.rounding import packed_matrices
from worker.recovery.settings import Recovery
from worker.recovery.shapes import recovery_work, shape_of_pair
from worker.recovery.student import Student
from worker.recovery.teacher import Teacher
from worker.recovery.teaching import teach
from worker.recovery.training import Training
from worker.recovery.windows import RecoveryWindows


class ModelRecovery:
    """Trains one pruned model and writes the result into one folder.

    First the training and held-out windows run through the dense model, block by block, and its
    predictions are stored. Then the pruned model, whole in memory, is trained on these predictions
    and on the text itself.

    Attributes:
        plan: how the recovery runs, with the setting of an earlier run that it resumes.
        resumed_from_step: the step from which it resumes; None if no earlier run has recorded one.
    """

    def __init__(
        self,
        dense: MetaModel,
        pruned: MetaModel,
        recovery: Recovery,
        pattern: Pattern | None,
        training: Tensor,
        held_out: Tensor,
        evaluation: Tensor,
        out: Path,
        token_loss: TokenLoss,
        *,
        seed: int,
        memory_budget_bytes: int | None = None,
        ranks: Ranks = SINGLE_PROCESS,
        speed: Speed | None = None,
        measure: Measure | None = None,
        sources: tuple[int, ...] = (),
        known: Path | None = None,
    ) -> None:
        """Prepare the recovery, or resume an earlier run of it in ``out``.

        Args:
            dense: the dense model, without its weights.
            pruned: the pruned model, without its weights; it may have fewer units or blocks.
            recovery: how to train the pruned model.
            pattern: the pattern that masks of the kind ``ast`` must satisfy; None if no pattern is
                known. Unless it is N:M, each matrix keeps as many weights as in the pruned model.
            training: ``[windows, tokens]`` int64, the token ids to train on.
            held_out: ``[windows, tokens]`` int64, the token ids on which the held-out loss is
                measured; this loss decides which state is the best.
            evaluation: ``[windows, tokens]`` int64, the token ids on which the loss is measured
                before and after the training; may be empty.
            out: an existing folder for the shards and their index, and for a folder ``.progress``
                that has to be deleted before ``out`` is published.
            token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``, the evaluation's loss.
            seed: determines the order of the windows, and the initial values of adapters.
            memory_budget_bytes: the maximum memory of this process; None for no such limit.
            ranks: the ranks that share the work; all get the same arguments.
            speed: the machine's speed, from which the plan predicts the time; None if not known.
            measure: measures each shard while its tensors are in memory; None to measure nothing.
            sources: the number of the text that each held-out window is from, if there are several;
                the best state is then that of which the worst text is best.
            known: the folder of what is known of dense models, such as their predictions; None to
                read and store nothing.

        Raises:
            PruningError: the models, the pattern, the windows or the available memory do not allow
                the recovery.
        """
        check_pair(dense, pruned, recovery, pattern)
        fix_malloc_thresholds()
        self._dense, self._pruned, self._recovery, self._pattern = dense, pruned, recovery, pattern
        self._evaluation, self._out, self._token_loss = evaluation, out, token_loss
        self._seed, self._ranks = seed, ranks
        self._windows = RecoveryWindows.of(training, held_out, recovery, seed, ranks.size, sources)
        plan = plan_recovery(
            shape_of_pair(dense, pruned),
            recovery,
            recovery_work(pruned, training, held_out, evaluation, ranks.size),
            headroom(pruned.device, memory_budget_bytes),
            speed,
        )
        windows = {
            "training": training,
            "held_out": held_out,
            "evaluation": evaluation,
            "sources": torch.tensor(self._windows.sources),
        }
        given = recovery_fingerprint(
            dense, pruned, recovery, pattern, windows, token_loss, seed, ranks.size
        )
        self._log = RecoveryLog(out, given, ranks)
        # A resumed run keeps the earlier run's setting, on which the rounding of sums depends.
        self.plan = plan.with_setting(self._log.decide_once("setting", plan.setting_values))
        # Read now, because the training records further states.
        self.resumed_from_step = self._log.state.step if self._log.state else None
        self._teacher = Teacher(
            self._log.folder,
            self._windows.ids,
            recovery.temperature,
            dense.device,
            known,
            predictions_basis(given),
        )
        self._output = ModelOutput(pruned, out, self._log.folder, measure)

    def run(self) -> Generator[RecoveryProgress, None, RecoveryResult]:
        """Train the model, write it, and return the result.

        This is a generator, so that its caller can report progress, renew a lease or stop between
        two steps.

        Yields:
            The progress: in the stage ``training`` after each step, and before the very first one;
            in the other stages after each block that has been run.

        Raises:
            PruningError: the gradients of a step are not finite.
        """
        yield from teach(self._teacher, self._dense, self._log, self._ranks)
        trim_heap()
        before = yield from self._evaluate("evaluation_losses_before", self._pruned)
        state, change = yield from self._train()
        trim_heap()
        written = Checkpoint.open(self._out).dequantized()
        recovered = MetaModel(self._pruned.model, written, self._pruned.dtype, self._pruned.device)
        after = yield from self._evaluate("evaluation_losses_after", recovered)
        return self._result(state, change, before, after)

    def _evaluate(
        self, name: str, model: MetaModel
    ) -> Generator[RecoveryProgress, None, tuple[float, ...]]:
        """Return the losses of a model on the evaluation windows, measured by rank 0."""
        losses: list[float] = []
        if len(self._evaluation) and not self._log.is_known(name) and self._ranks.is_main:
            folder = self._log.folder
            losses = yield from evaluation_losses(model, self._evaluation, self._token_loss, folder)
        return tuple(self._log.decide_once(name, lambda: losses))

    def _train(self) -> Generator[RecoveryProgress, None, tuple[TrainingState, MaskChange]]:
        """Train the model, and write its best state; return how its mask has changed, too."""
        block_inputs = open_block_inputs(self._pruned)
        generator = torch.Generator().manual_seed(self._seed)
        build = partial(
            parametrize, self._recovery.kind, pattern=self._pattern, generator=generator
        )
        with self._pruned.loaded_outside_blocks():
            student = Student(
                self._pruned,
                block_inputs,
                build,
                recomputes=self.plan.setting.recomputes,
                is_quantized=self._recovery.rounds,
                only_routers=self._recovery.only_routers,
                dense=self._dense if self._recovery.changes_mask else None,
                ranks=self._ranks,
            )
            state = yield from self._training(student, block_inputs).run()
            return state, self._write(student if state.best_step else None)

    def _training(self, student: Student, block_inputs: BlockInputs) -> Training:
        """Return the training of a student, at the learning rate for the dense model's size."""
        parameters = sum(parameter.numel() for parameter in self._dense.model.parameters())
        return Training(
            student,
            Optimizer(student, self._recovery, parameters, self._windows.steps, self._ranks),
            DistillationHead(Head(self._pruned, block_inputs), self._recovery),
            self._teacher,
            self._windows,
            self.plan.setting.micro_batch_windows,
            self._log,
            self._ranks,
        )

    def _write(self, student: Student | None) -> MaskChange:
        """Write the weights of a student, or the pruned ones if there is no student."""
        change = MaskChange()
        blocks = list(student.trained_blocks()) if student else []
        for index in range(len(self._pruned.blocks)):
            merged = blocks[index].merged() if blocks else {}
            packed = blocks[index].packed() if blocks else self._packed(index)
            if self._ranks.is_main:
                stored = self._pruned.read_block(index)
                change += MaskChange.between(stored, merged)
                self._output.write_block(index, stored | merged, packed)
        norms = student.merged_norms() if student else {}
        if self._ranks.is_main:
            self._output.copy_rest(changed=self._pruned.weights.to_stored(norms))
            self._output.finish()
        return self._ranks.run_on_main(lambda: change)

    def _packed(self, index: int) -> dict[str, QuantizedMatrix]:
        return packed_matrices(self._pruned, index) if self._recovery.rounds else {}

    def _result(
        self,
        state: TrainingState,
        change: MaskChange,
        before: tuple[float, ...],
        after: tuple[float, ...],
    ) -> RecoveryResult:
        start = state.curve[0].held_out_loss
        return RecoveryResult(
            steps=state.step,
            best_step=state.best_step,
            tokens=self._windows.tokens_until(state.step),
            held_out_before=state.best_loss if start is None else start,
            held_out_after=state.best_loss,
            kept_start=state.best_step == 0,
            mask_moved=change.share if self._recovery.changes_mask else None,
            evaluation_losses_before=before,
            evaluation_losses_after=after,
            curve=state.curve,
            seconds=self._log.seconds,
            resumed_from_step=self.resumed_from_step,
            plan=self.plan,
            peak_bytes=self._ranks.sum_of(peak_resident_bytes()),
            device_peak_bytes=device_peak_bytes(self._pruned.device) or None,
            shards=tuple(self._output.shards),
        )
