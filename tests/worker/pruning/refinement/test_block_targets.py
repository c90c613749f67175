import torch
from torch import Tensor

from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.activations import Activations
from worker.pruning.refinement.block_targets import BlockTargets


def activations(windows: Tensor) -> Activations:
    states = Activations()
    for batch in torch.split(windows, 2):
        states.append(batch)
    return states


def test_targets_are_between_the_outputs_for_the_pruned_and_for_the_dense_inputs() -> None:
    inputs, own, dense = torch.randn(3, 5, 4, 2)  # five windows of four tokens
    streams = (activations(inputs), activations(own), activations(dense))
    targets = BlockTargets(*streams, 0.3, SINGLE_PROCESS)
    picked = [4, 0, 3]
    assert torch.equal(targets.inputs(picked), inputs[picked])
    torch.testing.assert_close(targets.outputs(picked), (0.7 * own + 0.3 * dense)[picked])
    torch.testing.assert_close(own, torch.cat(list(activations(own))))  # not modified


def test_batches_may_differ_in_size() -> None:
    windows = torch.randn(6, 4, 2)
    inputs, own = Activations(), Activations()
    for batch in torch.split(windows, [2, 1, 3]):
        inputs.append(batch)
        own.append(batch)
    targets = BlockTargets(inputs, own, Activations(), 0.0, SINGLE_PROCESS)
    assert torch.equal(targets.inputs([2, 3, 5]), windows[[2, 3, 5]])
    assert torch.equal(targets.outputs([4, 2]), windows[[4, 2]])


def test_the_first_tokens_of_each_window_are_enough() -> None:
    inputs, own, dense = torch.randn(3, 5, 4, 2)
    streams = (activations(inputs), activations(own), activations(dense))
    targets = BlockTargets(*streams, 0.3, SINGLE_PROCESS, tokens=3)
    assert torch.equal(targets.inputs([4, 1]), inputs[[4, 1], :3])
    torch.testing.assert_close(targets.outputs([4]), (0.7 * own + 0.3 * dense)[[4], :3])
