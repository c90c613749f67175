"""Examples for the OpenAPI document; a test validates each against its schema."""
