"""Voxel grids, coordinate frames and boxes; knows nothing of files or torch."""
