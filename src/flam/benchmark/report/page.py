"""The report as one self-contained page: tables, charts, and the worst scenes to look at and hear."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path

import numpy as np

import flam
from flam.benchmark.benchmark import Task
from flam.benchmark.evaluation import Evaluation
from flam.benchmark.metrics import METRICS, Figure, Metric, format_value, headline
from flam.benchmark.report.charts import bars, colour, confusion, line_chart
from flam.benchmark.report.conditions import condition_tables, set_of, sets_of
from flam.benchmark.report.tables import (
    TableRow,
    by_threshold,
    found_by_prompt,
    published,
    remarks_of,
    rows_of,
    tables_of,
)
from flam.benchmark.report.worst import worst_scenes
from flam.benchmark.results import Result
from flam.evaluation.collar import OnsetErrors
from flam.evaluation.psds import PSDS1

N_SCENES = 6
MOST_LABELS = 60  # of a confusion matrix that can still be read
N_CONFUSIONS = 10
ONSET_END_S = 1.0
FOLDER = Path(__file__).parent


def render_html(evaluations: Sequence[Evaluation]) -> str:
    """The page as text; colours follow light and dark mode, and it fits a telephone.

    Raises
    ------
    AudioError
        a recording that was scored can't be read any more
    """
    systems = list(dict.fromkeys(name for evaluation in evaluations for name in evaluation.results))
    sections = "".join(_section(evaluation) for evaluation in evaluations)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{(FOLDER / 'page.css').read_text(encoding='utf-8')}</style></head><body><main>"
        f'<h1>Evaluation</h1><p class="dim">{_keys(systems)}</p>{_summary(evaluations)}'
        f"{_conditions(evaluations)}{sections}{_footer(evaluations)}"
        f"</main><script>{(FOLDER / 'page.js').read_text(encoding='utf-8')}</script></body></html>\n"
    )


def _summary(evaluations: Sequence[Evaluation]) -> str:
    """The headline of every benchmark that stands alone: systems measured here, then published ones."""
    columns: list[str] = []
    places: dict[tuple[bool, str], dict[str, str]] = {}
    alone = [evaluation for evaluation in evaluations if set_of(evaluation) not in sets_of(evaluations)]
    if not alone:
        return ""
    for evaluation in alone:
        metric = headline(evaluation.benchmark.task)
        columns.append(
            f'<th><a href="#{_id(evaluation)}">{escape(evaluation.benchmark.name)}</a><br>{_heading(metric)}</th>'
        )
        for row in rows_of(evaluation):
            if metric.key in row.figures:
                cells = places.setdefault((not row.is_ours, row.system), {})
                # the first is that of the system's own operating point
                cells.setdefault(evaluation.benchmark.name, _cell(metric, row.figures[metric.key]))
    lines = "".join(
        f"<tr{'' if is_published else ' class=ours'}><td>{escape(system)}</td>"
        + "".join(f"<td>{cells.get(evaluation.benchmark.name, '')}</td>" for evaluation in alone)
        + "</tr>"
        for (is_published, system), cells in sorted(places.items(), key=lambda place: place[0][0])
    )
    return (
        f'<section class="panel"><div class="wide"><table><thead><tr><th>system</th>{"".join(columns)}</tr></thead>'
        f'<tbody>{lines}</tbody></table></div><p class="dim">Tinted: measured here. Others: as published, by protocols '
        "that differ; see below.</p></section>"
    )


def _conditions(evaluations: Sequence[Evaluation]) -> str:
    """A panel for each set of recordings that went through several recorders."""
    ids = {evaluation.benchmark.name: _id(evaluation) for evaluation in evaluations}
    panels = []
    for table in condition_tables(evaluations):
        lines = []
        for condition, *cells in table.rows:
            section = ids.get(f"{table.title}: {condition}")
            name = escape(condition) if section is None else f'<a href="#{section}">{escape(condition)}</a>'
            kind = " class=ours" if section is None else ""  # the mean and the worst
            lines.append(f"<tr{kind}><td>{name}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
        panels.append(_chart(f"{escape(table.title)}: side by side", _wide(head, "".join(lines)), "shares are x 100"))
    return "".join(panels)


def _section(evaluation: Evaluation) -> str:
    charts: dict[Task, Callable[[Evaluation], str]] = {
        "frames": _frames,
        "paraphrases": partial(_per_prompt, title="Frame AUROC of each label, asked by other words"),
        "near misses": partial(_per_prompt, title="Right above near misses, by label"),
        "retrieval": _retrieval,
        "classify": _classify,
    }
    task = evaluation.benchmark.task
    drawn = charts[task](evaluation) if task in charts else ""
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in remarks_of(evaluation))
    failures = "".join(f"<li>left out: {escape(failure)}</li>" for failure in evaluation.failures)
    return (
        f'<h2 id="{_id(evaluation)}">{escape(evaluation.benchmark.name)}</h2>'
        f'<section class="panel">{_tables(evaluation)}<ul>{remarks}{failures}</ul></section>'
        f"{drawn}"
    )


def _tables(evaluation: Evaluation) -> str:
    parts = []
    for title, (rows, metrics) in tables_of(evaluation).items():
        if title != "scores":
            parts.append(
                '<h3 class="part">Operating points</h3><p class="dim">What flam detect finds with each model, by the '
                "rules that it ships with; then with all thresholds moved alike, and for few prompts at a time.</p>"
            )
        head = "".join(f'<th title="{escape(metric.meaning)}">{_heading(metric)}</th>' for metric in metrics)
        body = "".join(_table_row(row, metrics) for row in rows)
        parts.append(_wide(f"<th>system</th>{head}", body))
    return "".join(parts)


def _by_threshold(number: int, name: str, result: Result) -> str:
    headings, lines = by_threshold(result)
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines)
    return _chart(
        f"By threshold: {_key(number, name)}",
        _wide(head, body),
        "F1, precision and recall of 1 s segments; false positives by how many prompts are asked for: mean, and the "
        "middle 90 % over which ones they are",
    )


def _wide(head: str, body: str) -> str:
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _table_row(row: TableRow, metrics: Sequence[Metric]) -> str:
    about = f"<small>{escape(row.protocol)}</small>" if row.protocol else ""
    if not row.is_ours:
        source = published().sources[row.source]
        link = f'<a href="{escape(source.url)}">{escape(source.title.split(",")[0])}</a>'
        about = f"<small>{link}{', ' + escape(row.protocol) if row.protocol else ''}</small>"
    cells = "".join(f"<td>{_cell(metric, row.figures.get(metric.key))}</td>" for metric in metrics)
    return f"<tr{' class=ours' if row.is_ours else ''}><td>{escape(row.system)}{about}</td>{cells}</tr>"


def _heading(metric: Metric) -> str:
    unit = f"<br>{metric.unit}" if metric.unit in ("per minute", "s", "events", "prompts") else ""
    return f"{escape(metric.title)}&nbsp;{'↓' if metric.lower_is_better else '↑'}{unit}"


def _cell(metric: Metric, figure: Figure | None) -> str:
    if figure is None:
        return ""
    interval = ""
    if figure.low is not None and figure.high is not None and not math.isnan(figure.low):
        interval = f"<small>{format_value(metric, figure.low)} – {format_value(metric, figure.high)}</small>"
    return f"{format_value(metric, figure.value)}{interval}"


def _frames(evaluation: Evaluation) -> str:
    results = list(evaluation.results.values())
    curves = [result.curves for result in results if result.curves is not None]
    bins = [result.reliability for result in results if result.reliability is not None]
    found = [result.onsets for result in results if result.onsets is not None]
    threshold = "threshold"
    panels = [
        _chart(
            "F1",
            line_chart([(c.thresholds, c.f1) for c in curves], threshold, "F1"),
            "of 1 s segments, mean over prompts, against the threshold",
        ),
        _chart(
            "F1 of events",
            line_chart([(c.thresholds, c.collar_f1) for c in curves], threshold, "F1"),
            "onsets within 200 ms, ends within 200 ms or 20 % of the length; mean over prompts, against the threshold",
        ),
        _chart(
            "Recall",
            line_chart([(c.thresholds, c.recall) for c in curves], threshold, "recall"),
            "of 1 s segments, all prompts, against the threshold",
        ),
        _chart(
            "Precision",
            line_chart([(c.thresholds, c.precision) for c in curves], threshold, "precision"),
            "of 1 s segments, all prompts, against the threshold",
        ),
        _chart(
            "False positives a minute",
            line_chart(
                [(c.thresholds, c.false_positives_per_minute) for c in curves], threshold, "per minute", log_y=True
            ),
            "all prompts together, against the threshold; logarithmic",
        ),
        _chart(
            "Events found",
            line_chart(
                [_steps(c.efpr, c.etpr) for c in curves], "false positives an hour", "share found", PSDS1.max_efpr
            ),
            "share of events against false positives, mean over prompts: the curve under PSDS1 alpha_st 0",
        ),
        _chart(
            "Reliability",
            line_chart([(b.mean_score, b.positive_share) for b in bins], "score", "share", dots=True),
            "share of frames that hold the sound, by score; on the diagonal a score is a probability",
        ),
        _chart(
            "Onset error",
            line_chart([_cumulated(onsets) for onsets in found], "seconds", "share", ONSET_END_S),
            "share of events whose onset is found to within so many seconds, at score 0.5",
        ),
    ]
    if any("found" in result.figures for result in results):
        panels.append(_by_length(results))
    first = escape(next(iter(evaluation.results)))
    tables = "".join(_by_threshold(number, *named) for number, named in enumerate(evaluation.results.items()))
    return (
        f'<div class="grid">{"".join(panels)}</div>{_found_by_prompt(evaluation)}{tables}'
        f"{_per_prompt(evaluation, 'Frame AUROC of each prompt')}"
        f'<h3 class="part">Worst scenes</h3><p class="dim">The lowest AUROC of {first} over a scene\'s own frames and '
        "prompts. Bands: the sound is there; lines: scores, 0 to 1. Click into a picture to listen from there.<br>"
        f"{_keys(list(evaluation.results))}</p>{worst_scenes(evaluation, N_SCENES)}"
    )


def _found_by_prompt(evaluation: Evaluation) -> str:
    headings, rows = found_by_prompt(evaluation)
    if not rows:
        return ""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in ("prompt", *headings))
    body = "".join(
        f"<tr><td>{escape(prompt)}</td>"
        + "".join(
            "<td></td>" if own is None else f"<td{' class=none' * (not own[0])}>{own[0]} / {own[1]}</td>" for own in row
        )
        + "</tr>"
        for prompt, row in rows.items()
    )
    return _chart(
        "Events found, by prompt",
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
        "events found / events there, best first; events that a model's rules would join count as one",
    )


def _steps(efpr: np.ndarray, etpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each value holds until the next."""
    return np.append(np.repeat(efpr, 2)[1:], PSDS1.max_efpr), np.repeat(etpr, 2)


def _cumulated(onsets: OnsetErrors) -> tuple[np.ndarray, np.ndarray]:
    """Of all events, those missed included, so that the curve ends at the share that is found."""
    within_s = np.linspace(0.0, ONSET_END_S, 101)
    n_within = np.searchsorted(np.sort(np.abs(onsets.errors_s)), within_s, side="right")
    return within_s, n_within / max(onsets.n_events, 1)


def _by_length(results: Sequence[Result]) -> str:
    keys = [metric for metric in METRICS["frames"] if metric.table == "operating point" and metric.unit == "share"]
    found = {metric.title: [result.figures.get(metric.key) for result in results] for metric in keys}
    rows = {
        title: [None if figure is None or math.isnan(figure.value) else figure for figure in figures]
        for title, figures in found.items()
    }
    return _chart(
        "At the operating point", bars(rows), "share of events that are found, by their length; line: 95 % interval"
    )


def _per_prompt(evaluation: Evaluation, title: str) -> str:
    """The prompts that any system can be judged on, best first by the first system."""
    results = list(evaluation.results.values())
    prompts = dict.fromkeys(prompt for result in results for prompt in result.per_prompt)
    rows = {prompt: [result.per_prompt.get(prompt) for result in results] for prompt in prompts}
    ordered = sorted(rows.items(), key=lambda row: -(row[1][0].value if row[1][0] is not None else -1.0))
    caption = f"{len(rows)} of {len(evaluation.benchmark.prompts)} prompts, best first; line: 95 % interval"
    return _chart(title, f'<div class="scroll">{bars(dict(ordered))}</div>', caption)


def _retrieval(evaluation: Evaluation) -> str:
    panels = []
    for way, title in (("t2a", "Captions find recordings"), ("a2t", "Recordings find captions")):
        rows = {
            f"R@{k}": [result.figures[f"{way}_recall_at_{k}"] for result in evaluation.results.values()]
            for k in (1, 5, 10)
        }
        panels.append(_chart(title, bars(rows), "share of queries with a right answer among the first k"))
    return f'<div class="grid">{"".join(panels)}</div>'


def _classify(evaluation: Evaluation) -> str:
    panels = [_per_prompt(evaluation, "Accuracy of each class")]
    for number, (name, result) in enumerate(evaluation.results.items()):
        assert result.zero_shot is not None
        labels, counts = result.zero_shot.labels, result.zero_shot.confusion
        wrong = counts - np.diag(np.diag(counts))
        cells = [divmod(int(cell), len(labels)) for cell in np.argsort(-wrong, axis=None, kind="stable")[:N_CONFUSIONS]]
        rows = "".join(
            f"<tr><td>{escape(labels[row])}</td><td>{escape(labels[column])}</td>"
            f"<td>{wrong[row, column]} of {counts[row].sum()}</td></tr>"
            for row, column in cells
            if wrong[row, column]
        )
        table = f'<div class="wide"><table><tr><th>is</th><th>was called</th><th>clips</th></tr>{rows}</table></div>'
        panels.append(_chart(f"Most frequent mistakes of {_key(number, name)}", table, ""))
    matrices = "".join(
        _chart(
            f"Confusion of {_key(number, name)}",
            f'<div class="wide">{confusion(result.zero_shot.confusion, result.zero_shot.labels)}</div>',
            "row: what a clip is; column: what it was called",
        )
        for number, (name, result) in enumerate(evaluation.results.items())
        if result.zero_shot is not None and len(result.zero_shot.labels) <= MOST_LABELS
    )
    return f'<div class="grid">{"".join(panels)}</div>{matrices}'


def _chart(title: str, chart: str, caption: str) -> str:
    """A panel; the title may hold markup."""
    return f'<section class="panel"><h3>{title}</h3>{chart}<figcaption>{escape(caption)}</figcaption></section>'


def _footer(evaluations: Sequence[Evaluation]) -> str:
    sources = dict.fromkeys(row.source for e in evaluations for row in rows_of(e) if not row.is_ours)
    lines = "".join(
        f'<li>{escape(published().sources[key].title)}, <a href="{escape(published().sources[key].url)}">'
        f"{escape(published().sources[key].url)}</a></li>"
        for key in sources
    )
    cited = f"<p>Published figures, as their authors give them:</p><ol>{lines}</ol>" if lines else ""
    return (
        f"<footer>{cited}<p>Shares are x 100. Intervals: 95 %, recordings drawn again for frames, Wilson's for "
        f"accuracy. Made with flam {flam.__version__}.</p></footer>"
    )


def _keys(names: Sequence[str]) -> str:
    return "".join(_key(number, name) for number, name in enumerate(names))


def _key(number: int, name: str) -> str:
    return f'<span class="key" style="{colour(number)}">{escape(name)}</span>'


def _id(evaluation: Evaluation) -> str:
    return "".join(c if c.isalnum() else "-" for c in evaluation.benchmark.name)
