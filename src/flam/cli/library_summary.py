"""What a library table holds, in lines of text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from flam.library.clip_table import LibraryRow, SourceLibrary
from flam.library.measure import USABLE

COMMONEST = 12
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
MEASURED = (
    ("duration", "duration_s", "s"),
    ("level, active part", "level_db", "dB(A)"),
    ("level, whole", "rms_db", "dB"),
    ("peak", "peak_db", "dB"),
    ("leading silence", "leading_silence_s", "s"),
    ("trailing silence", "trailing_silence_s", "s"),
    ("99 % roll-off", "rolloff_hz", "Hz"),
    ("bandwidth", "bandwidth_hz", "Hz"),
)


def summary(library: SourceLibrary) -> Iterator[str]:
    """Lines that tell of a library.

    Examples
    --------
    >>> next(summary(SourceLibrary([])))
    '0 clips, 0 of which scenes can draw'
    """
    rows = library.rows
    yield f"{len(rows)} clips, {len(library.clips)} of which scenes can draw"
    measured = [row for row in rows if row.status in USABLE and row.measures is not None]
    if not measured:
        return
    by_kind: dict[str, list[LibraryRow]] = defaultdict(list)
    for row in measured:
        by_kind[row.clip.kind].append(row)
    yield ""
    yield f"{'kind':20} {'clips':>8} {'hours':>8} {'active h':>8} {'labels':>8} {'groups':>8}"
    for kind, some in sorted(by_kind.items()):
        hours = sum(row.measures.duration_s for row in some if row.measures) / 3600
        active = sum(off - on for row in some if row.measures for on, off in row.measures.spans_s) / 3600
        labels, groups = ({getattr(row.clip, name) for row in some} for name in ("label", "group"))
        yield f"{kind:20} {len(some):8} {hours:8.2f} {active:8.2f} {len(labels - {''}):8} {len(groups):8}"
    yield ""
    yield f"{'':20} " + " ".join(f"{title:>9}" for title in ("least", "10 %", "median", "90 %", "most"))
    for title, name, unit in MEASURED:
        values = np.quantile([getattr(row.measures, name) for row in measured], QUANTILES)
        yield f"{title:20} " + " ".join(f"{value:9.2f}" for value in values) + f" {unit}"
    for title, counts in (
        ("licence", Counter(row.clip.licence for row in measured)),
        ("source", Counter(row.clip.source for row in measured)),
        ("sample rate, Hz", Counter(str(row.measures.sample_rate) for row in measured if row.measures)),
        ("caption from", Counter(row.caption_from for row in measured)),
        ("not usable", Counter(row.status for row in rows if row.status not in USABLE)),
    ):
        if counts:
            yield ""
            yield from _commonest(title, counts)


def _commonest(title: str, counts: Counter[str]) -> Iterator[str]:
    yield f"{title:40} {'clips':>8}"
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for name, count in ranked[:COMMONEST]:
        yield f"{name or '(none)':40.40} {count:8}"
    if len(ranked) > COMMONEST:
        yield f"{f'{len(ranked) - COMMONEST} more':40} {sum(count for _, count in ranked[COMMONEST:]):8}"
