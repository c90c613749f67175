"""HTTP requests and streams, for the blocking and the asynchronous client."""
