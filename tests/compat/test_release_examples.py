"""Scripts as people wrote them for the OpenFLAM release, with nothing changed but the import and the model's name."""

from pathlib import Path

import numpy as np
import pytest
import torch

import flam as package
from flam import compat
from flam.audio import read_audio

SR = 48_000
DURATION = 10.0


@pytest.fixture(scope="module")
def flam():
    return compat.OpenFLAM("flam-mini", device="cpu")


@pytest.fixture(scope="module")
def audio():
    samples = read_audio(Path(package.__file__).parent / "assets" / "demo" / "street.ogg", SR)[: int(SR * DURATION)]
    return torch.tensor(samples).unsqueeze(0)


def test_a_script_that_compares_whole_clips_with_texts(flam, audio):
    flam.sanity_check()
    with torch.no_grad():
        audio_features = flam.get_global_audio_features(audio)
        text_features = flam.get_text_features(["breaking bones", "metallic creak", "car horn in the rain"])
    similarities = (text_features @ audio_features.T).squeeze(1)
    assert similarities.shape == (3,)
    assert int(similarities.argmax()) == 2


@pytest.mark.slow
def test_a_script_that_draws_when_each_text_is_heard(flam, audio, tmp_path):
    import scipy.signal  # slow to import

    negative_class = ["rain"]
    text = ["car horn", "dog bark", *negative_class]
    with torch.no_grad():
        act_map = flam.get_local_similarity(audio, text, method="unbiased", cross_product=True).cpu().numpy()
    filtered = [scipy.signal.medfilt(act_map[0][row], 3) for row in range(act_map.shape[1])]
    similarity = {f"{text[row]}": filtered[row] for row in range(len(text))}

    figure = compat.plot_sed_heatmap(
        audio.squeeze(0).numpy(),
        SR,
        post_similarity=similarity,
        duration=DURATION,
        negative_class=negative_class,
        figsize=(14, 8),
        save_path=tmp_path / "sed_heatmap.png",
    )

    assert (tmp_path / "sed_heatmap.png").stat().st_size > 10_000
    assert tuple(figure.get_size_inches()) == (14, 8)
    names = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    assert {"car horn", "dog bark", "rain"} <= set(names)


def test_a_shorter_duration_shows_only_the_beginning(audio):
    figure = compat.plot_sed_heatmap(audio, SR, post_similarity={"rain": np.ones(8)}, duration=2.0)
    assert figure.axes[0].get_xlim() == (0.0, 2.0)
