"""The movie is written while the window goes on."""


def test_a_movie_is_saved_from_the_dock(searched, qtbot, tmp_path):
    _, dock = searched
    path = tmp_path / "search.gif"
    dock.save_movie(path)
    assert not dock.ui.save_movie.isEnabled()
    qtbot.waitUntil(dock.ui.save_movie.isEnabled, timeout=60_000)
    assert dock.ui.form.status.text() == f"Saved {path}"
    assert path.stat().st_size > 0


def test_a_cancelled_movie_leaves_no_file(searched, qtbot, tmp_path):
    _, dock = searched
    dock.save_movie(tmp_path / "search.gif")
    qtbot.wait(50)
    dock.cancel()
    assert dock.ui.form.status.text() == "Movie cancelled."
    assert dock.ui.save_movie.isEnabled()
    assert list(tmp_path.iterdir()) == []


def test_a_movie_that_cannot_be_written_is_told(searched, qtbot, tmp_path):
    _, dock = searched
    dock.save_movie(tmp_path / "missing" / "search.gif")
    qtbot.waitUntil(dock.ui.save_movie.isEnabled, timeout=60_000)
    assert dock.ui.form.status.text().startswith("Not saved: ")
