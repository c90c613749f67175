"""Problem documents: how errors become responses, and the texts of validation errors."""
