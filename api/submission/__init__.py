"""From a request to rows: jobs, sweeps, reruns, estimates."""
