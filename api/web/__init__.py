"""HTTP features: ranges, conditional requests, cursors, uploads, event streams, OpenAPI."""
