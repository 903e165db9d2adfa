"""One thread for everything, as small operations lose more than threads gain; and a library that rooms share."""

import os
import signal

import pytest

# read when torch and numpy are first imported, which is after this file; child processes inherit it
os.environ.setdefault("OMP_NUM_THREADS", "1")
# a shell's background job ignores Ctrl-C and hands that down; the programs under test must hear it
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def scene_table(tmp_path_factory):
    """A small library as ``flam library scan`` writes it: three labels of events, one background."""
    import numpy as np
    import soundfile

    from flam.synth.scan import scan_library

    folder = tmp_path_factory.mktemp("library")
    rng = np.random.default_rng(0)
    time_s = np.arange(48_000) / 48_000
    sounds = {
        "beep": 0.3 * np.sin(2 * np.pi * 1000 * time_s[:12_000]),
        "pop": rng.normal(0, 0.2, 9_600) * np.exp(-np.arange(9_600) / 2_000),
        "hiss": rng.normal(0, 0.1, 24_000),
        "wind": np.convolve(rng.normal(0, 0.2, 3 * 48_000), np.ones(30) / 30, "same"),
    }
    rows = ["id,file,label,caption,kind,group,source,licence"]
    for name, waveform in sounds.items():
        soundfile.write(folder / f"{name}.wav", waveform, 48_000)
        kind = "background" if name == "wind" else "event"
        rows.append(f"{name},{name}.wav,{name},a {name} heard,{kind},{name},made,CC0")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    scan_library([folder / "manifest.csv"], folder / "library.csv")
    return folder / "library.csv"
