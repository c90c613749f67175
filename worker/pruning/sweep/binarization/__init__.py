"""Binarising a block within a sweep."""
