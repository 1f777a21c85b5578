"""The command line: thin, prints, and knows no napari except to open it."""
