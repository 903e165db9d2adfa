"""A model of random weights that is small enough to be taught in a test."""

import pytest

WORDS = ["?", "dog", "siren", "whistle", "hiss", "rain", "door", "slam", "the", "sound", "of", "a"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of a FLAM that knows a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    from flam.hub.card import ModelCard
    from flam.model.checkpoint import save_checkpoint
    from flam.model.convnet import ConvEncoderConfig
    from flam.model.flam import FLAM, FLAMConfig
    from flam.model.text import LightTextConfig

    torch.manual_seed(0)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    audio = ConvEncoderConfig(
        stem_width=4, widths=(4, 6, 8), strides=((2, 2), (2, 2), (1, 2)), embed_dim=16, n_context_blocks=1, window_s=2.0
    )
    text = LightTextConfig(vocab_size=len(WORDS), embed_dim=16, n_blocks=1, mlp_dim=16)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    card = ModelCard(name="tiny", summary="random weights", licence="none needed", facts={"clips heard": "0"})
    save_checkpoint(FLAM(FLAMConfig(audio, text, joint_dim=16, hidden_dim=16), tokenizer), folder, card)
    return folder
