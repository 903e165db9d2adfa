"""Search an archive from Python: words, examples, combinations, counts.

    flam index build recordings/ -o archive/
    python examples/search_archive.py archive/ "dog barking" "car horn"

Each block below stands alone, to be copied into a notebook.
"""

import sys
from pathlib import Path

import flam
from flam.search import Filters
from flam.search.archive import ranked
from flam.search.combine import followed_by
from flam.search.counts import count, found_in_archive
from flam.search.examples import Example, example_query
from flam.search.filters import clock_time, parse_time_of_day

archive = flam.Archive(sys.argv[1])
first, second = sys.argv[2:4]
print(f"{len(archive.recordings)} recordings, {archive.duration_s / 3600:.1f} h, model {archive.settings.model}")

# --- by words: the best first, the spans that flam detect would find -------------------------------------------------
spans = archive.search([first, second], threshold=0.9)
for span in spans[:5]:
    event = span.event
    print(f"{event.max_score:.3f} {event.prompt}: {Path(span.recording.path).name} at {event.onset_s:.1f} s")

# --- at night, loud and short only -----------------------------------------------------------------------------------
night = Filters(time_of_day=parse_time_of_day("22:00-05:00"), max_duration_s=5.0, min_level_db=-50.0)
print(f"at night: {[str(clock_time(span)) for span in archive.search([first], filters=night)]}")

# --- one after the other ---------------------------------------------------------------------------------------------
print(f"{first}, then {second}: {len(followed_by(spans, second, within_s=5.0))}")

# --- by example: the loudest hit so far, and what sounds like it -----------------------------------------------------
if spans:
    loudest = max(spans, key=lambda span: span.level_db)
    example = Example(Path(loudest.recording.path), loudest.event.onset_s, loudest.event.offset_s)
    alike = ranked(archive.spans([example_query(archive, example, archive.detection_config())]))
    print(f"like the loudest: {len(alike)} spans")

# --- how many, by recording ------------------------------------------------------------------------------------------
for row in count(found_in_archive(spans, {}), ["prompt", "recording"])[:5]:
    print(row.key[0], Path(row.key[1]).name, row.n)
