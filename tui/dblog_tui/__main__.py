"""``python -m dblog_tui``."""

import sys

from dblog_tui.cli import main

sys.exit(main())
