"""The control process and its periodic tasks, which keep jobs, files and messages consistent."""
