"""The program ``flam``, one file for each verb."""
