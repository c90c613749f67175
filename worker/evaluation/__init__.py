"""Measuring models: their losses and predictions, tasks, and the text that they write."""
