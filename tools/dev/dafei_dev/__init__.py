"""What ./dev does: private servers, builds, the running suite, tests. Standard library only."""
