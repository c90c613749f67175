"""Code that the other packages use: errors, job states, database sessions, the clock, logging."""
