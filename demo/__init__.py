"""Prune a real small model through the whole service: ``make demo``."""
