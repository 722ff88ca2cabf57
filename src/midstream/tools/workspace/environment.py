"""What a command sees of the environment, and which programs are trusted."""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence

from midstream.tools.workspace.folders import inside

# What is not named here does not exist for a command: keys have any name.
_NAMES = frozenset([
    "PATH", "HOME", "TMPDIR", "TZ", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL",
    "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION", "LC_MEASUREMENT",
    "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE",
    "LC_TIME", "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "HTTP_PROXY",
    "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
])  # fmt: skip
_FIXED = {
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "PYTHONUNBUFFERED": "1",  # else nothing is seen of a Python program until it ends
    # A few files with the right names make any folder a repository, and its settings name programs.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.bareRepository",
    "GIT_CONFIG_VALUE_0": "explicit",
}


def environment(given: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """Of what is `given`, that which a command may see. `more` names others."""
    known = {name: value for name, value in given.items() if name in _NAMES}
    return known | _FIXED | {name: given[name] for name in more if name in given}


def program(name: str, folders: Sequence[str]) -> str | None:
    """Where on the PATH a program is, but not within `folders`.

    What lies there nobody has vouched for; a search, which nobody is asked about, must not run it.
    """

    def trusted(path: str) -> bool:
        real = os.path.realpath(path)
        return os.path.isabs(path) and not any(inside(real, folder) for folder in folders)

    return shutil.which(name, path=os.pathsep.join(filter(trusted, os.get_exec_path())))
