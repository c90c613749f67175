"""Running windows through a whole model, before a sweep prunes its first block."""

from dataclasses import dataclass

from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Setting
from worker.pruning.sweep.batches import split_batches
from worker.pruning.sweep.measurement.gradient_pass import BackwardPass
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.scratch_folders import NewFolder


@dataclass(frozen=True)
class ModelRun:
    """A model, and how windows run through it.

    Attributes:
        meta_model: the model, from which earlier increments may have removed units.
        block_inputs: embeds windows and calls the model's blocks.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the ranks that share the windows.
        setting: how large batches are, and where hidden states are kept.
        progress: records what was measured, so that no later run repeats it.
        new_folder: makes folders for temporary files.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs
    token_loss: TokenLoss
    ranks: Ranks
    setting: Setting
    progress: Progress
    new_folder: NewFolder

    @property
    def backward(self) -> BackwardPass:
        """The run of windows forward and backward, for gradients of the loss."""
        return BackwardPass(self.meta_model, self.block_inputs, self.token_loss, self.ranks)

    def batches(self, windows: Tensor) -> list[Tensor]:
        """Return this rank's batches of the windows ``[windows, tokens]`` of all ranks."""
        return self.ranks.share_of(split_batches(windows, self.setting))

    def states(self) -> Activations:
        """Return a list for hidden states, in files if the setting says so."""
        return Activations(self.new_folder() if self.setting.spills else None)

    def embedded(self, windows: Tensor) -> Activations:
        """Return the first block's inputs for this rank's share of the windows."""
        states = self.states()
        with self.meta_model.loaded_embeddings():
            self.block_inputs.embed(self.batches(windows), states.append)
        return states
