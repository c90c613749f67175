"""Removing units and whole blocks during a sweep."""
