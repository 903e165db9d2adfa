"""Notes on recordings that are read whole, but not as they seem, are shown and count as no problem."""

import logging

from flam.core.progress import Reporter


def test_information_is_shown_as_a_note_and_a_warning_is_collected(capfd):
    reporter = Reporter(quiet=True)
    with reporter.warnings() as problems:
        logging.getLogger("flam.audio.recording").info("a.wav: holds 2 recordings in a row")
        logging.getLogger("flam.audio.recording").warning("a.wav: ends at 1.000 s")
    assert problems == ["a.wav: ends at 1.000 s"]
    assert capfd.readouterr().err == "note: a.wav: holds 2 recordings in a row\n"
    assert reporter.n_problems == 0
    assert logging.getLogger("flam").level == logging.NOTSET
