"""The pruning core on tensors that seem to be on a GPU."""
