"""Jobs: submitting, reading, listing and controlling them; sweeps, quotas, estimates and totals."""
