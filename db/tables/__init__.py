"""The database tables, in one module for each group."""
