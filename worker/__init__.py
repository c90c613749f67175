"""The part that computes: takes a job id, prunes a model, records what came of it."""
