"""``python -m affectzoo``."""

import sys

from affectzoo.cli import main

sys.exit(main())
