"""sqlite_utils without numpy and pandas: it loads both where they are installed, to store their types, which we never
do. Loading them would cost every start of a screen or a supervisor time and memory."""

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules
_unwanted = [name for name in ("numpy", "pandas") if name not in _modules]
# None makes an import fail as if the module were not installed.
_modules.update(dict.fromkeys(_unwanted))
try:
    from sqlite_utils import Database as Database
    from sqlite_utils.migrations import Migrations as Migrations
finally:
    for _name in _unwanted:
        del _modules[_name]
