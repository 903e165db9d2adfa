"""``python -m flam`` is the program ``flam``."""

import sys

from flam.cli.main import main

sys.exit(main())
