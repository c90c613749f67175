"""Routes of jobs, sweeps, estimates, and what a job can name."""
