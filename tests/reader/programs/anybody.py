"""Commands of a user to whom the modes of files apply: ``python anybody.py <url>,<url>… <command> …``.

Each database gets each of the commands; a line of JSON for each.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import json
import sys

import dblog.cli.current
import dblog.reading.sqlite_file  # noqa: F401 - imported while everything may be read
from dblog.cli import main

faulthandler.dump_traceback_later(50, exit=True)
# No capabilities: modes of files hold for the super-user as well (capset(2), version 3).
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
urls, *commands = sys.argv[1:]
for url in urls.split(","):
    for command in commands:
        name, *options = command.split()
        sys.argv = ["dblog", name, "--url", url, *options]
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
        print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
