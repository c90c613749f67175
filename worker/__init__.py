"""The worker: takes job ids from a queue, prunes models and stores the results."""
