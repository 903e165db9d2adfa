"""A recording's beginning is told from its name or from what its recorder wrote into it, and never guessed."""

import struct
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import soundfile

from flam.audio import parse_time_zone, start_time
from flam.core import ConfigError

NAMES = [
    ("5E90A4D4.WAV", "2020-04-10T16:54:44+00:00"),
    ("5e90a4d4.wav", "2020-04-10T16:54:44+00:00"),
    ("20200410_165444.WAV", "2020-04-10T16:54:44"),
    ("20200410_165444T.WAV", "2020-04-10T16:54:44"),
    ("24F319046035B3BF_20230103_060000.WAV", "2023-01-03T06:00:00"),
    ("SM304472_0+1_20181219_205600.wav", "2018-12-19T20:56:00"),
    ("S4A03536_20190506_023000.wav", "2019-05-06T02:30:00"),
    ("SM2-BAT_20120612_213015_123.wav", "2012-06-12T21:30:15.123000"),
    ("SMM00123_20230103$060000.wav", "2023-01-03T06:00:00"),
    ("2023-01-03T06:00:00Z.wav", "2023-01-03T06:00:00+00:00"),
    ("2023-01-03T06-00-00.wav", "2023-01-03T06:00:00"),
    ("20230103T060000.flac", "2023-01-03T06:00:00"),
    ("20230103T060000-0500.flac", "2023-01-03T06:00:00-05:00"),
    ("20230103T060000.250Z.flac", "2023-01-03T06:00:00.250000+00:00"),
    ("site4 2023-01-03 06-00-00.mkv", "2023-01-03T06:00:00"),
    ("2023-01-03 at 06.00.00.m4a", "2023-01-03T06:00:00"),
    ("2023_01_03_06_00_00.mp3", "2023-01-03T06:00:00"),
    ("20150819-103000+1000.wav", "2015-08-19T10:30:00+10:00"),
    ("20220101T063000+0930_REC.flac", "2022-01-01T06:30:00+09:30"),
    ("REC20230103060000.mp3", "2023-01-03T06:00:00"),
    ("PXL_20230103_060000123.mp4", "2023-01-03T06:00:00.123000"),
    ("garden_20230103_0600.wav", "2023-01-03T06:00:00"),
    ("20230103_060000-0001.wav", "2023-01-03T06:00:00"),
    ("20230103_060000_20230103_070000.wav", "2023-01-03T06:00:00"),
    ("rec_2020-01-10_06h30m05s.wav", "2020-01-10T06:30:05"),
    ("230103_0600.wav", "2023-01-03T06:00:00"),
    ("SOCAL_E_190123_123015.x.wav", "2019-01-23T12:30:15"),
    ("5146.200102030405.wav", "2020-01-02T03:04:05"),
]
NO_TIME = [
    "street.wav",
    "20230103.wav",  # a day is no beginning
    "2023-01-03.wav",
    "12345678.wav",
    "20231345_060000.wav",  # no such month
    "20230103_250000.wav",
    "PTT-20230103-WA0001.opus",
    "deadbeef.wav",  # as a second of Unix time it is in the year 2088
    "",
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_names_as_recorders_write_them(name, expected):
    assert start_time(name).isoformat() == expected


@pytest.mark.parametrize("name", NO_TIME)
def test_what_states_no_time_of_day_is_none(name):
    assert start_time(name) is None


def test_the_time_zone_is_that_of_names_without_one_and_converts_the_others():
    assert start_time("20240710_060000.wav", "Europe/Berlin").isoformat() == "2024-07-10T06:00:00+02:00"
    assert start_time("20240110_060000.wav", "Europe/Berlin").isoformat() == "2024-01-10T06:00:00+01:00"
    assert start_time("20240710T060000Z.wav", "Europe/Berlin").isoformat() == "2024-07-10T08:00:00+02:00"
    assert start_time("20240710_060000.wav", timezone(timedelta(hours=-3))).utcoffset() == timedelta(hours=-3)
    assert start_time("street.wav", "UTC") is None


@pytest.mark.parametrize("text", ["+15:00", "Mars/Olympus", "", "+2x", "../etc/passwd"])
def test_an_unknown_time_zone_is_refused_with_a_remedy(text):
    with pytest.raises(ConfigError, match=r"is not known; write a place such as Europe/Berlin"):
        parse_time_zone(text)


def wav_with(path, *chunks):
    """A recording of 10 samples with chunks behind its samples."""
    soundfile.write(path, np.zeros(10), 8_000, subtype="PCM_16")
    content = path.read_bytes()
    for identity, contents in chunks:
        content += identity + struct.pack("<I", len(contents)) + contents + b"\0" * (len(contents) % 2)
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    return path


def info(identity, text):
    encoded = text.encode() + b"\0"
    return b"LIST", b"INFO" + identity + struct.pack("<I", len(encoded)) + encoded + b"\0" * (len(encoded) % 2)


def bext(day, time):
    return b"bext", bytes(256 + 32 + 32) + day.encode() + time.encode() + bytes(264)


MOTH = "Recorded at 17:54:44 10/04/2020 (UTC+1) by AudioMoth 24F319046035B3BF at medium gain while battery was 4.2V."
WAMD = struct.pack("<HIH", 0, 2, 1) + struct.pack("<HI", 5, 25) + b"2018-06-30 20:30:00-05:00"
METADATA = [
    (info(b"ICMT", MOTH), "2020-04-10T17:54:44+01:00"),
    (info(b"ICMT", MOTH.replace("(UTC+1)", "(UTC)")), "2020-04-10T17:54:44+00:00"),
    (info(b"ICMT", MOTH.replace("(UTC+1)", "(UTC-3:30)")), "2020-04-10T17:54:44-03:30"),
    (info(b"ICRD", "2021-02-03 04:05:06"), "2021-02-03T04:05:06"),
    (bext("2021-02-03", "04:05:06"), "2021-02-03T04:05:06"),
    (bext("2021:02:03", "04-05-06"), "2021-02-03T04:05:06"),
    ((b"guan", b"GUANO|Version: 1.0\nTimestamp: 2017-05-20T22:37:29-04:00\n"), "2017-05-20T22:37:29-04:00"),
    ((b"wamd", WAMD), "2018-06-30T20:30:00-05:00"),
]


@pytest.mark.parametrize(("chunk", "expected"), METADATA)
def test_metadata_tell_where_the_name_does_not(tmp_path, chunk, expected):
    assert start_time(wav_with(tmp_path / "a.wav", chunk)).isoformat() == expected


@pytest.mark.parametrize("chunk", [info(b"ICRD", "2021-02-03"), info(b"ICMT", "nice"), bext("0000-00-00", "00:00:00")])
def test_metadata_without_a_time_of_day_tell_nothing(tmp_path, chunk):
    assert start_time(wav_with(tmp_path / "a.wav", chunk)) is None


def test_the_comment_tells_the_zone_of_the_name_where_both_mean_the_same_moment(tmp_path):
    same = wav_with(tmp_path / "20200410_175444.WAV", info(b"ICMT", MOTH))
    assert start_time(same).isoformat() == "2020-04-10T17:54:44+01:00"
    part = wav_with(tmp_path / "20200410_185444.WAV", info(b"ICMT", MOTH))  # an hour later: cut from a longer one
    assert start_time(part) == datetime(2020, 4, 10, 18, 54, 44)


@pytest.mark.parametrize("length", [0, 11, 30, 60])
def test_damaged_files_are_read_by_their_name(tmp_path, length):
    path = wav_with(tmp_path / "20200410_175444.WAV", info(b"ICMT", MOTH))
    path.write_bytes(path.read_bytes()[:length])
    assert start_time(path) == datetime(2020, 4, 10, 17, 54, 44)
