"""How the database came to be as it is, one script a step. A script that was released stays."""
