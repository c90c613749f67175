"""From a specification to a pruned model folder with its numbers."""
