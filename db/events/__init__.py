"""State transitions of jobs, the events that record them, and the log lines of attempts."""
