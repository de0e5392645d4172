"""``python -m pellucid``: the command line."""

import sys

from pellucid.cli import main

sys.exit(main())
