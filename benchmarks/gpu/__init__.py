"""Sweeps and a recovery on a GPU."""
