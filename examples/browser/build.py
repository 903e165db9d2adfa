"""Put together the static site of this example: the page, ONNX Runtime for the web, and a model with graphs.

Run ``npm install`` in this folder first, then ``python build.py [MODEL_FOLDER] [-o SITE]``, and serve the site with any
static file server, for example ``python -m http.server -d site``.
"""

import argparse
import importlib.resources
import json
import shutil
from pathlib import Path

import onnxruntime

HERE = Path(__file__).parent
PAGE = ("index.html", "style.css", "page.js", "detector.js", "events.js", "logmel.js", "tokenizer.js")
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
MODEL = ("config.json", "tokenizer.json", "model.safetensors", "audio.onnx", "projection.onnx", "text.onnx")
METADATA_KEY = "flam"


def build(model: Path, runtime: Path, site: Path) -> None:
    """Copy what the page needs into one folder, and write down what the graphs say of themselves."""
    for files, source, target in (
        (PAGE, HERE, site),
        (RUNTIME, runtime, site / "vendor"),
        (MODEL, model, site / "model"),
    ):
        target.mkdir(parents=True, exist_ok=True)
        for name in files:
            shutil.copyfile(source / name, target / name)
    facts = {}
    for name in ("audio", "text"):
        session = onnxruntime.InferenceSession(str(model / f"{name}.onnx"))
        facts[name] = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    (site / "model" / "graphs.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    bundled = Path(str(importlib.resources.files("flam"))) / "assets" / "models" / "flam-mini"
    parser.add_argument("model", nargs="?", type=Path, default=bundled)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "site")
    arguments = parser.parse_args()
    build(arguments.model, HERE / "node_modules" / "onnxruntime-web" / "dist", arguments.output)
    print(arguments.output)
