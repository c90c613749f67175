"""Refinement: the kept weights of a pruned block are trained towards the dense block's outputs."""
