"""How a specification says which weights are pruned, and how the others change."""
