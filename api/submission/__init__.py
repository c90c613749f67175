"""Turning requests into jobs, sweeps, reruns and estimates."""
