"""``python -m napari_midrl`` is ``midrl``."""

from napari_midrl.cli.main import main

if __name__ == "__main__":
    main()
