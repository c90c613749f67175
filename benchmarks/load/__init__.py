"""A small HTTP client that costs little CPU beside the service, and the load that it makes."""
