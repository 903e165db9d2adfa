"""Help shows how a verb is used, comes where nothing was asked for, and names no flag that another verb has."""

import re

import pytest

from flam.cli.main import ASK_FOR_SOMETHING, EXAMPLES, app

VERBS = [name for name in app if not name.startswith("-")]
SUBVERBS = [
    *(("models", name) for name in ("list", "info", "convert", "download")),
    *(("data", name) for name in ("list", "check", "manifest")),
    *(("library", name) for name in ("scan", "caption", "show")),
    *(("synth", name) for name in ("plan", "render", "inspect")),
]


@pytest.mark.parametrize("verb", [*((name,) for name in EXAMPLES), *SUBVERBS], ids=" ".join)
def test_help_shows_an_example_of_the_verb(run, verb):
    told = run(*verb, "--help")
    assert told.code == 0
    assert re.search(rf"For example:\s+flam {' '.join(verb)}", told.out)
    assert "--empty-" not in told.out
    assert set(re.findall(r"--no-[\w-]+", told.out)) <= {"--no-browser"}  # which serve has on purpose


@pytest.mark.parametrize("verb", ASK_FOR_SOMETHING)
def test_bare_verb_shows_its_help(run, verb):
    bare = run(verb)
    assert bare.code == 0
    assert bare.out == run(verb, "--help").out


@pytest.mark.parametrize(
    "verb",
    [
        *((name,) for name in ASK_FOR_SOMETHING),
        *(("library", name) for name in ("scan", "caption")),
        *(("synth", name) for name in ("plan", "render", "inspect")),
        *(("data", name) for name in ("check", "manifest")),
        ("models", "download"),
    ],
    ids=" ".join,
)
def test_quiet_has_one_name_everywhere(run, verb):
    assert re.search(r"--quiet -q", run(*verb, "--help").out)


def test_workers_0_is_this_process_everywhere(run):
    for verb in (("library", "scan"), ("synth", "render")):
        said = " ".join(re.sub(r"[│\s]+", " ", run(*verb, "--help").out).split())
        assert "0 works in this process" in said
