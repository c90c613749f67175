"""The process that sends the results of jobs to their outputs."""
