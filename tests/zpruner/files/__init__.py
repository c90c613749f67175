"""Compact files, and the patterns of stored weights."""
