"""Removing experts during a sweep."""
