"""One thread for everything: small operations lose more than they gain when threads have to meet after each."""

import os

# read when torch and numpy are first imported, which is after this file; child processes inherit it
os.environ.setdefault("OMP_NUM_THREADS", "1")
