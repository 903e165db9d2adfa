"""The program ``flam``: its verbs, and what every verb's outcome means to the shell."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

import flam

FINE, SOME_FAILED, USAGE, INTERRUPTED, READER_LEFT = 0, 1, 2, 130, 141

app = App(
    name="flam",
    help="Find sounds by words: give it a recording and words, and it finds when each sound occurs.",
    version=f"flam {flam.__version__}",
    help_format="plaintext",
    version_format="plaintext",
    suppress_keyboard_interrupt=False,
)
EXAMPLES = {
    "detect": (
        'flam detect walk.wav -p "dog barking" -p siren',
        'flam detect site/ -p "tawny owl" -o night.csv --time-zone Europe/Oslo',
        'flam detect library/ -p "door creak" --top 20 --rank --cut clips/',
    ),
    "search": ('flam search archive/ -p "glass breaking" --sheet hits.png',),
    "count": (
        'flam count archive/ -p "tawny owl" --by prompt --by day --map owls.png',
        "flam count night.csv --by hour",
    ),
    "tag": ("flam tag library/ -o tags.csv", "flam tag library/ --prompts my_words.txt --top 5 --beside"),
    "compare": ("flam compare results/ reviewed.selections.txt", "flam compare night.csv labels/ -o comparison.csv"),
    "listen": (
        'flam listen "USB mic" -p "glass breaking" -p "smoke alarm" --false-alarms 1/day --clips alarms/',
        'flam listen rtsp://camera/stream -p "dog barking" --webhook http://localhost:8080/hook',
    ),
    "review": (
        'flam review recordings/ -p "dog barking" -o prompts.yaml',
        "flam detect recordings/ --prompts prompts.yaml",
    ),
    "calibrate": ("flam calibrate labels.csv recordings/ -o prompts.yaml",),
    "finetune": ("flam finetune my_birds --from flam-mini -o my-birds", "flam finetune my_birds -o b --minutes 20"),
    "train": ("flam train configs/smoke.yaml -o runs/smoke", "flam train RECIPE -o FOLDER --set optim.lr=1e-4"),
    "evaluate": (
        "flam evaluate --benchmark builtin -o report/",
        "flam evaluate --model mine=models/v2 --model old=models/v1 --results other=events.csv -o report/",
    ),
    "serve": ("flam serve", "flam serve archive/ --root recordings/ --prompts prompts.yaml"),
    "mcp": ("flam mcp archive/ --root recordings/",),
    "doctor": ("flam doctor",),
}
# alone, they show their help
ASK_FOR_SOMETHING = (
    *("detect", "search", "count", "tag", "compare", "listen", "review", "calibrate", "finetune", "train", "evaluate"),
    *(f"index {name}" for name in ("build", "info", "verify", "compact", "export", "import", "axes")),
    *("bulk embed", "bulk detect", "models info", "models convert", "models export", "models download"),
    *("data check", "data manifest", "library scan", "library caption", "library show"),
    *("synth render", "synth inspect", "benchmark reproduce"),
)


def _verb(place: str, name: str, help: str) -> None:
    app.command(place, name=name, help=help, help_epilogue=examples_of(*EXAMPLES[name]))


def examples_of(*commands: str) -> str:
    """The end of a help text."""
    return "For example:\n\n" + "\n\n".join(f"    {command}" for command in commands) + "\n"


# verbs are named as text, so that asking for help imports none of them
_verb("flam.cli.detect:detect", "detect", "Find sounds in recordings.")
app.command("flam.cli.index:app", name="index", help="Build an archive of recordings for searching.")
_verb("flam.cli.search:search", "search", "Find sounds in archives by words and examples.")
_verb("flam.cli.count:count", "count", "Count sounds by recording, hour, day and site.")
app.command("flam.cli.bulk:app", name="bulk", help="Embed or analyse recordings in any store, or on a cluster.")
_verb("flam.cli.compare:compare", "compare", "Compare detections with reviewed labels.")
_verb("flam.cli.tag:tag", "tag", "Say what each recording holds: its best prompts.")
app.command("flam.cli.models:app", name="models", help="List, describe, convert, export and download models.")
_verb("flam.cli.serve:serve", "serve", "Open a page and an HTTP API on this machine.")
_verb("flam.cli.mcp:mcp", "mcp", "Offer detect, count and search to language models (MCP).")
app.command("flam.cli.data:app", name="data", help="List, check and use public corpora.")
app.command("flam.cli.library:app", name="library", help="Build a table of the clips that scenes are drawn from.")
app.command("flam.cli.synth:app", name="synth", help="Plan, render and inspect scenes with exact labels.")
_verb("flam.cli.listen:listen", "listen", "Find sounds while they happen.")
_verb("flam.cli.review:review", "review", "Answer a few questions for a threshold that fits a prompt.")
_verb("flam.cli.calibrate:calibrate", "calibrate", "Fit thresholds to annotated recordings.")
_verb("flam.cli.finetune:finetune", "finetune", "Teach a model the sounds of a folder.")
_verb("flam.cli.train:train", "train", "Train a model as a recipe says.")
_verb("flam.cli.evaluate:evaluate", "evaluate", "Score models on benchmarks.")
app.command("flam.cli.benchmark:app", name="benchmark", help="Train and compare the paper's methods at a small scale.")
_verb("flam.cli.doctor:doctor", "doctor", "Report versions, processor, extras, models; what is missing.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code.

    0 all is well; 1 some inputs failed, the others are done; 2 the command can't be run as it was given; 130 it was
    interrupted; 141 whoever read the results left.

    Parameters
    ----------
    arguments : Sequence[str] | None, optional
        what stands behind ``flam``; None for those of this process
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that a console lacks costs that name, not the run
    try:
        code = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _report("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _abandon_stdout()
        return READER_LEFT
    except MemoryError as error:
        return _report(f"error: not enough memory ({error}); end other programs, or give less at once", SOME_FAILED)
    except OSError as error:
        if error.strerror is None:
            raise
        if error.filename is not None:
            return _report(f"error: {error.filename}: {error.strerror}; check path, permissions and space", SOME_FAILED)
        _abandon_stdout()
        return _report(
            f"error: results can't be written ({error.strerror}); make space, or name a file with -o", SOME_FAILED
        )


def _run(arguments: list[str]) -> int:
    if " ".join(arguments) in ASK_FOR_SOMETHING:
        arguments = [*arguments, "--help"]
    try:
        code = app(
            arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        return _report(f"error: {' '.join(str(error).split())}", USAGE)
    except Exception as error:
        from flam.core import FlamError, OutputError  # only now: they bring numpy, which help does without
        from flam.core.errors import missing_extra

        if isinstance(error, ModuleNotFoundError):
            error = missing_extra(error) or error

        if not isinstance(error, FlamError):
            raise
        return _report(f"error: {error}", SOME_FAILED if isinstance(error, OutputError) else USAGE)
    return FINE if code is None else int(code)


def _report(message: str, code: int) -> int:
    from flam.core.terminal import printable

    print(printable(message), file=sys.stderr)
    return code


def _abandon_stdout() -> None:
    """Let the interpreter's own flush at exit go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
