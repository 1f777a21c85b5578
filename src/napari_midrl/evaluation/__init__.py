"""Errors in millimeters, detection rates, box overlap and tables of them."""
