"""Checkpoints, and the parts of a model that run without the rest."""
