"""Whole systems behind one protocol: a volume in, landmarks out."""
