"""The errors of this library. A message names the tensor, layer or argument, and the remedy."""


class TrainingError(Exception):
    """Base class of all errors of this library."""


class NotSparseError(TrainingError):
    """There are no zeros to keep."""


class MaskError(TrainingError):
    """A mask does not belong to the model, or ``min_sparsity`` is out of its bounds."""


class OptimizerError(TrainingError):
    """The optimizer has no step hooks, which are needed to keep zeros."""


class AdapterError(TrainingError):
    """An adapter cannot be masked or merged."""


class ComparisonError(TrainingError):
    """Two models cannot be compared tensor by tensor."""
