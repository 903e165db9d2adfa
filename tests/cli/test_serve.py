"""What ``flam serve`` prints when it starts."""

import pytest

from flam.cli.main import main

ADDRESS = "http://127.0.0.1:1234/"


@pytest.mark.parametrize(
    ("options", "is_told"), [([], True), (["-q"], False), (["-q", "--host", "0.0.0.0"], True)], ids=str
)
def test_quiet_prints_no_address_unless_it_holds_a_token_made_up(options, is_told, monkeypatch, capsys):
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    monkeypatch.setattr("flam.server.run.serve", lambda service, shelf, started: started(ADDRESS))
    assert main(["serve", "--no-browser", *options]) == 0
    assert (ADDRESS in capsys.readouterr().err) is is_told
