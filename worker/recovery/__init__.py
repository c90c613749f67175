"""Training a pruned model, without losing its sparsity, to predict what the dense one predicts."""
