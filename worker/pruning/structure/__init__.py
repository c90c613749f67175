"""Removing whole units of a model, such as the channels of its MLPs, so that it gets smaller."""
