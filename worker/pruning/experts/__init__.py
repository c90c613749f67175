"""Removing experts of a mixture: how they are scored, and the smaller blocks."""
