"""Answers of a review as a CSV file."""

import pytest

from flam.core import AnnotationError
from flam.review.labels import read_labels


def test_a_row_with_more_cells_than_columns_is_refused_unless_they_are_empty(tmp_path):
    path = tmp_path / "answers.csv"
    header = "prompt,recording,onset_s,offset_s,score,verdict\n"
    path.write_text(header + "siren,a.wav,1,2,0.5,right,,\n", encoding="utf-8")
    assert [label.prompt for label in read_labels(path)] == ["siren"]
    path.write_text(header + "siren, loud,a.wav,1,2,0.5,right\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match="line 2: has more cells than the header has columns; quote cells"):
        read_labels(path)
