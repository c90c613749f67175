"""Rotations of a model that change none of its outputs, but how well its weights can be rounded."""
