#!/bin/sh
# A sound designer's day: find out what a library holds, find the best takes of a sound, cut them out to audition.
#     sh examples/sound_designer.sh [FOLDER FOR THE RESULTS]
set -eu
demo=$(python -c "import importlib.resources as r; print(r.files('flam') / 'assets' / 'demo')")
cd "${1:-$(mktemp -d)}"

# one row for each file: the words that fit best, to sort and search by in a spreadsheet
flam tag "$demo" -p rain -p "car horn" -p "glass breaking" -p "church bell" -p crickets --top 3 -o tags.csv -q

# the two best takes of each sound in all files, best first; files without any don't show
flam detect "$demo" -p "car horn" -p "glass breaking" --top 2 --rank --hide-empty -q

# the same as sound files of their own, with a quarter of a second around them
flam detect "$demo" -p "car horn" -p "glass breaking" --top 2 --cut clips --cut-padding 0.25 -o best.csv -q
