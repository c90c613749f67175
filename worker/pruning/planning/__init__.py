"""Predicting the memory and time of a sweep before it starts."""
