# Tells one JSON object about the interpreter that runs it. The only argument, where there is one, is another prefix.
# Paths are bytes written as the characters of the same numbers, since not every path is text.
import json
import os
import sys
import sysconfig


def path(value):
    return os.fsencode(value or "").decode("latin-1")


# The scheme that pip takes: what the distributor prefers, else the one for this implementation and system.
def preferred_scheme():
    if hasattr(sysconfig, "get_preferred_scheme"):
        return sysconfig.get_preferred_scheme("prefix")
    known = sysconfig.get_scheme_names()
    if "osx_framework_library" in known and sysconfig.get_config_var("PYTHONFRAMEWORK"):
        return "osx_framework_library"
    name = sys.implementation.name
    for scheme in (name + "_" + os.name, name, os.name + "_prefix", os.name):
        if scheme in known:
            return scheme
    return "posix_prefix"


def paths():
    # Before Python 3.10 a distributor could change only the default, so that is the truth.
    if len(sys.argv) < 2 and not hasattr(sysconfig, "get_preferred_scheme"):
        return sysconfig.get_paths()
    scheme = preferred_scheme()
    if len(sys.argv) < 2:
        return sysconfig.get_paths(scheme=scheme)
    # These two are about the system's own prefix: `local` directories, and a framework's.
    if scheme in ("posix_local", "osx_framework_library"):
        scheme = "posix_prefix"
    keys = ("installed_base", "base", "installed_platbase", "platbase", "prefix", "exec_prefix")
    return sysconfig.get_paths(scheme=scheme, vars=dict.fromkeys(keys, sys.argv[1]))


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None


def mac():
    if sys.platform != "darwin":
        return None
    import platform

    version, _, machine = platform.mac_ver()
    return [version, machine]


def debug():
    flag = sysconfig.get_config_var("Py_DEBUG")
    return bool(hasattr(sys, "gettotalrefcount") if flag is None else flag)


print(
    json.dumps(
        {
            "implementation": sys.implementation.name,
            "version": list(sys.version_info[:3]),
            "soabi": sysconfig.get_config_var("SOABI"),
            "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
            "debug": debug(),
            "platform": sysconfig.get_platform(),
            "narrow": sys.maxsize <= 2**32,
            "libc": libc(),
            "mac": mac(),
            "executable": path(sys.executable),
            "prefix": path(sys.prefix),
            "stdlib": path(sysconfig.get_path("stdlib")),
            "paths": {key: path(value) for key, value in paths().items()},
        }
    )
)
