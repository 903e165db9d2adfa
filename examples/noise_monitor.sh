#!/bin/sh
# A day of noise or wildlife monitoring: when was what heard, for how long did we listen, and how right is the list?
#     sh examples/noise_monitor.sh [FOLDER FOR THE RESULTS]
set -eu
demo=$(python -c "import importlib.resources as r; print(r.files('flam') / 'assets' / 'demo')")
cd "${1:-$(mktemp -d)}"

# recorders name their files by the time at which they began
mkdir -p site
cp "$demo/street.ogg" site/GATE_20240310_055950.ogg
cp "$demo/nature.ogg" site/POND_20240310_060000.ogg

# one list with date and time in the site's zone; the summary tells how many minutes were heard
flam detect site -p "car horn" -p siren -p "church bell" -o day.csv --time-zone Europe/Oslo

# run again after a stop, or with more recordings: what is finished is not done again
flam detect site -p "car horn" -p siren -p "church bell" -o tables --format raven --time-zone Europe/Oslo

# how many in each hour, and in each recording
flam count day.csv --by hour --by prompt --time-zone Europe/Oslo

# held against labels that somebody reviewed: precision, recall, onset errors
mkdir -p reviewed
cp "$demo/street.txt" reviewed/GATE_20240310_055950.txt
cp "$demo/nature.txt" reviewed/POND_20240310_060000.txt
flam compare day.csv reviewed -o comparison.csv
