"""Refinement: a pruned block's kept weights are trained to reproduce the dense block's outputs."""
