"""The napari side: readers, writers, docks and layers."""
