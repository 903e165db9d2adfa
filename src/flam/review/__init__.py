"""From a few answers to a threshold, a probability and a count of each prompt; numpy only."""

from flam.review.candidates import (
    Candidate,
    Pool,
    RecordingHashes,
    archive_events,
    candidate_floor,
    find_candidates,
    recording_hash,
)
from flam.review.labels import Label, Verdict, answers_of, match_labels, read_labels, write_labels, write_questions
from flam.review.logistic import SHIPPED_PRIOR, LogisticFit, Prior, fit_logistic
from flam.review.session import ReviewConfig, ReviewSession
from flam.review.thresholds import ChosenThreshold, Estimate, Target, call_density, choose_threshold, count_right

__all__ = [
    "SHIPPED_PRIOR",
    "Candidate",
    "ChosenThreshold",
    "Estimate",
    "Label",
    "LogisticFit",
    "Pool",
    "Prior",
    "RecordingHashes",
    "ReviewConfig",
    "ReviewSession",
    "Target",
    "Verdict",
    "answers_of",
    "archive_events",
    "call_density",
    "candidate_floor",
    "choose_threshold",
    "count_right",
    "find_candidates",
    "fit_logistic",
    "match_labels",
    "read_labels",
    "recording_hash",
    "write_labels",
    "write_questions",
]
