"""The control process: periodic work that keeps jobs, files and messages going."""
