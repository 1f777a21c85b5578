"""Loops that learn."""
