"""A recipe: how a model is pruned, and how it is checked."""
