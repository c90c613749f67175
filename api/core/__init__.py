"""What the rest of the API needs: settings, the caller, responses with problems, cached reads."""
