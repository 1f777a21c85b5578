"""Errors in millimeters, detection rates, box overlap, and reports of them."""
