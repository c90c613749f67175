"""Load tests, with a small HTTP client that takes little CPU time away from the service."""
