"""Foundations that every part shares: errors, states, settings, sessions, clock, logs."""
