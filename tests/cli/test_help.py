"""Help shows how a verb is used, comes where nothing was asked for, and names no flag that another verb has."""

import re

import pytest

from flam.cli.main import ASK_FOR_SOMETHING, app


def verbs():
    for name in app:
        if not name.startswith("-"):
            inner = [f"{name} {verb}" for verb in app[name] if not verb.startswith("-")]
            yield from inner or [name]


VERBS = list(verbs())
# nothing but their result is ever written
QUIET_ANYWAY = {
    *("doctor", "mcp", "models list", "models info", "models convert", "data list", "library show"),
    "index info",
}


@pytest.fixture(scope="module")
def help_of():
    """What ``flam VERB --help`` prints, asked for once a verb."""
    printed = {}

    def show(run, verb):
        if verb not in printed:
            printed[verb] = run(*verb.split(), "--help")
        return printed[verb]

    return show


def test_every_verb_is_known():
    assert len(VERBS) > 30
    assert {verb.split()[0] for verb in VERBS} == {name for name in app if not name.startswith("-")}


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example_of_the_verb(run, help_of, verb):
    told = help_of(run, verb)
    assert told.code == 0
    assert re.search(rf"For example.*?:\s+flam {verb}", told.out, re.DOTALL)
    assert "--empty-" not in told.out
    assert set(re.findall(r"--no-[\w-]+", told.out)) <= {"--no-browser"}  # which serve has on purpose


@pytest.mark.parametrize("verb", ASK_FOR_SOMETHING)
def test_bare_verb_shows_its_help(run, help_of, verb):
    bare = run(*verb.split())
    assert bare.code == 0
    assert bare.out == help_of(run, verb).out


def test_every_verb_that_needs_something_shows_its_help():
    alone = {"doctor", "serve", "mcp", "models list", "data list", "synth plan"}
    assert set(VERBS) == {*ASK_FOR_SOMETHING, *alone}


@pytest.mark.parametrize("name", sorted({verb.split()[0] for verb in VERBS if " " in verb}))
def test_bare_family_of_verbs_shows_its_verbs(run, name):
    bare = run(name)
    assert bare.code == 0
    assert all(verb.split()[1] in bare.out for verb in VERBS if verb.startswith(f"{name} "))


@pytest.mark.parametrize("verb", VERBS)
def test_quiet_has_one_name_everywhere(run, help_of, verb):
    assert bool(re.search(r"--quiet -q", help_of(run, verb).out)) == (verb not in QUIET_ANYWAY)


def test_workers_0_is_this_process_everywhere(run):
    for verb in (("library", "scan"), ("synth", "render")):
        said = " ".join(re.sub(r"[│\s]+", " ", run(*verb, "--help").out).split())
        assert "0 works in this process" in said
