"""Configuration of the documentation site: ``make docs`` builds it, with warnings as errors."""

import pkgutil
from pathlib import Path

import flam

project = "FLAM"
release = flam.__version__
copyright = "the FLAM authors, Apache-2.0"
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"FLAM {release}"
myst_heading_anchors = 3
# pages link to source files, configurations and folders of the repository, which are no pages of the site
suppress_warnings = ["myst.xref_missing"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False

HERE = Path(__file__).parent


def _automodule(name: str, is_package: bool) -> str:
    # a package shows what its modules hold under the modules, not twice
    members = "" if is_package else "   :members:\n"
    return f"```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n"


def write_reference() -> None:
    """One page for each package, with every public class and function of each of its modules."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    packages = [module.name for module in pkgutil.iter_modules(flam.__path__) if not module.name.startswith("_")]
    for package in packages:
        name = f"flam.{package}"
        path = [str(Path(flam.__path__[0]) / package)]
        modules = sorted(
            (module.name, module.ispkg)
            for module in pkgutil.walk_packages(path, f"{name}.")
            if not module.name.endswith("__main__")
        )
        page = f"# {name}\n\n" + _automodule(name, bool(modules))
        for module, is_package in modules:
            page += f"\n## {module.removeprefix(name + '.')}\n\n" + _automodule(module, is_package)
        (folder / f"{package}.md").write_text(page, encoding="utf-8")
    toctree = "\n".join(packages)
    (folder / "index.md").write_text(
        f"# Reference\n\nGenerated from the docstrings, one page for each package.\n\n```{{toctree}}\n{toctree}\n```\n",
        encoding="utf-8",
    )


write_reference()


def skip_tuple_fields(app, what, name, obj, skip, options):
    """Leave out "Alias for field number 0": the fields of a named tuple are described as its parameters."""
    return True if type(obj).__name__ == "_tuplegetter" else skip


def setup(app):
    app.connect("autodoc-skip-member", skip_tuple_fields)
