"""Attempts at jobs: claim, lease, log and result."""
