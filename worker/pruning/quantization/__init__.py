"""Quantisation: rounding the kept weights of a matrix to small integers with shared scales."""
