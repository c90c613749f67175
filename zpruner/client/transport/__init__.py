"""HTTP requests and streams, for a client that blocks and for one that is awaited."""
