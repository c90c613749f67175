"""Scores, patterns, solvers, and the registry that names them."""
