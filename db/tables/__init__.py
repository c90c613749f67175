"""The database tables; each module defines related ones."""
