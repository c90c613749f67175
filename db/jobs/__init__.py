"""Jobs: submitted, read, listed and commanded by clients; sweeps, quotas, estimates and totals."""
