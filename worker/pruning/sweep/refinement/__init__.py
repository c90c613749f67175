"""Refining a block within a sweep."""
