"""Measuring mixtures that lose experts."""
