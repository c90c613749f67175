"""Solvers: they change the kept weights to make up for the pruned ones."""
