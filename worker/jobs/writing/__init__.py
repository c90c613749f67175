"""A size as the goal of a job: how much to remove so that the result is not larger."""
