"""Rotating a model before it is pruned and quantised."""
