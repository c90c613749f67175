"""Training a pruned model to predict what the dense model predicts, with its zeros kept."""
