"""``flam models``: list, describe, convert and download models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

app = App(
    name="models",
    help="List, describe, convert, export and download models.",
    help_epilogue="For example:\n\n    flam models list\n\n    flam models info flam-mini\n",
)


@app.command(name="list")
def list_models() -> None:
    """List the models that have a name: bundled, downloaded and downloadable.

    For example: flam models list
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from flam.core.terminal import printable
    from flam.hub import hub

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("name", "where", "licence of the weights", "summary"):
        table.add_column(heading, overflow="fold")
    for model in hub.list_models():
        cells = (model.name, model.where, model.card.licence, model.card.summary)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console(file=sys.stdout, highlight=False).print(table)


@app.command
def info(name: Annotated[str, Parameter(help="Name of a model, or its folder.")], /) -> None:
    """Describe a model.

    For example: flam models info flam-mini
    """
    from flam.core.terminal import print_safely
    from flam.hub import hub

    model = hub.model_info(name)
    lines = {
        "name": model.card.name or model.name,
        "where": model.where,
        "summary": model.card.summary,
        "licence": model.card.licence,
        "source": model.card.source,
        "folder": "" if model.folder is None else str(model.folder),
        **model.card.facts,
    }
    print_safely(*(f"{title}: {text}" for title, text in lines.items() if text))


@app.command
def convert(
    source: Annotated[
        Path, Parameter(help="OpenFLAM state dict (.pth, .safetensors), or folder of a CLAP or PE-A-Frame model.")
    ],
    destination: Annotated[Path, Parameter(help="Folder to write; an existing one is replaced.")],
    /,
    *,
    kind: Annotated[
        Literal["openflam", "clap", "pe-a-frame"] | None, Parameter(help="What the source is; default: guessed.")
    ] = None,
    tokenizer: Annotated[
        Path | None, Parameter(help="RoBERTa's tokenizer.json; default: the one beside the weights.")
    ] = None,
) -> None:
    """Write a released model as a folder that --model takes.

    For example: flam models convert open_flam_oct17.pth models/openflam --tokenizer tokenizer.json
    """
    from flam.core.errors import require_extra

    require_extra("torch", "base", "to convert models")
    from flam.model.convert import convert as convert_model

    convert_model(source, destination, kind, tokenizer)
    sys.stdout.write(f"{destination}\n")


@app.command
def export(
    name: Annotated[str, Parameter(help="Name of a model, or its folder.")],
    /,
    *,
    to: Annotated[Literal["onnx"], Parameter(help="What to write: onnx, graphs that run without torch.")] = "onnx",
    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"], help="Folder for a copy with the graphs; default: they go beside the weights."
        ),
    ] = None,
    int8: Annotated[
        bool, Parameter(negative="", help="Add an audio graph in int8, for detect --precision int8.")
    ] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No messages on stderr.")] = False,
) -> None:
    """Write the graphs that run a model without torch, compare them with torch, and print the folder.

    For example: flam models export my-birds --to onnx
    """
    from flam.core import output_lock
    from flam.core.errors import require_extra
    from flam.hub import hub
    from flam.jobs.manifest import make_folder

    require_extra("torch", "torch", "to export models")
    from flam.model.export import export_onnx

    folder = hub.resolve(name, notify=lambda line: None if quiet else print(line, file=sys.stderr))
    if output is not None:
        make_folder(output)
    with output_lock(folder if output is None else output):
        target = export_onnx(folder, output)
        if int8:
            from flam.model.quantize import add_int8_graph

            add_int8_graph(target)
    sys.stdout.write(f"{target}\n")


@app.command
def download(
    name: Annotated[str, Parameter(help="Name of a model that flam models list shows.")],
    /,
    *,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No messages on stderr.")] = False,
) -> None:
    """Download a model once, and print its folder.

    For example: flam models download openflam
    """
    from flam.hub import hub

    folder = hub.resolve(name, notify=lambda line: None if quiet else print(line, file=sys.stderr))
    sys.stdout.write(f"{folder}\n")
