"""How the tables came to be as they are, a step a file: Alembic goes through them."""
