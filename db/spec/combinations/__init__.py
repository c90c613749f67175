"""Checks that the options of a specification can be combined."""
