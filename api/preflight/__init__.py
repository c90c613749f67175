"""Checks of a job before it is created: its model, its texts and what workers have."""
