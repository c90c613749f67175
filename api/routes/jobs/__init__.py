"""Routes of jobs, sweeps, estimates, methods and datasets."""
