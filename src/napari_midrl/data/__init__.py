"""Frozen values that every other part passes around."""
