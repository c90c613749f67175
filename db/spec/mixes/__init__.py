"""Mixes of texts that a model is calibrated and trained on."""
