"""Tests of `./dev` and of what it configures."""
