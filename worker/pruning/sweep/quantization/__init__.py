"""Quantising a block within a sweep."""
