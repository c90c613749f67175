"""The evaluation of models."""
