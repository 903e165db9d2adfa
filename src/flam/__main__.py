"""``python -m flam`` is the program ``flam``."""

import sys

from flam.apps.cli import main

sys.exit(main())
