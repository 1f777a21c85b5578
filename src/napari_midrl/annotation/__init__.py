"""Editing what a reader says: commands, and undoing them."""
