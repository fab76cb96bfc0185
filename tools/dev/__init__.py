"""`./dev`: servers, builds, tests and the running suite of this checkout. Standard library only."""
