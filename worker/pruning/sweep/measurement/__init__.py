"""Measuring the model before its first block is pruned."""
