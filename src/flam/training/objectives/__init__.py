"""The losses that recipes can weight, by name; every file here is found by itself."""
