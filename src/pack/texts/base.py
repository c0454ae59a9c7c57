def fits():
    is_threaded = "t" in getattr(sys, "abiflags", "")
    return sys.implementation.cache_tag == "@TAG@" and is_threaded == @THREADED@ and sys.executable

# The interpreter that is no virtual environment: such a one may be removed at any time.
def base():
    program = os.path.abspath(getattr(sys, "_base_executable", None) or sys.executable)
    for _ in range(40):
        # Before Python 3.11 only the configuration of a virtual environment knows its base.
        config = os.path.join(os.path.dirname(os.path.dirname(program)), "pyvenv.cfg")
        try:
            with open(config, encoding="utf-8") as file:
                lines = [line.partition("=") for line in file]
        except OSError:
            break
        home = "".join(value.strip() for key, _, value in lines if key.strip().lower() == "home")
        names = ["@NAME@", os.path.basename(program), "python3", "python"]
        found = [os.path.join(home, name) for name in names if home]
        program = next((path for path in found if os.access(path, os.X_OK)), program)
    return program

# Makes the directory an ordinary virtual environment. Any number of processes may do so at once:
# each file appears by one rename, and the link, which is looked for first, comes last.
def settle(root, program):
    part = os.path.join(root, "bin", ".new-%d-%s" % (os.getpid(), os.urandom(6).hex()))
    config = "home = %s\ninclude-system-site-packages = false\nversion = %d.%d.%d\n"
    try:
        with open(part, "x", encoding="utf-8") as file:
            file.write(config % ((os.path.dirname(program),) + sys.version_info[:3]))
        os.replace(part, os.path.join(root, "pyvenv.cfg"))
        os.symlink(program, part)
        os.replace(part, os.path.join(root, "bin", "@NAME@"))
    except OSError:
        try:
            os.unlink(part)
        except OSError:
            pass
        raise

# What is in a cache is executed, so it must not be writable by others.
def own(path):
    stat = os.stat(path)
    return stat.st_uid in (os.geteuid(), 0) and not stat.st_mode & 0o022

def caches():
    user = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    yield os.environ.get("PKG_INSTALL_PACK_CACHE") or os.path.join(user, "pkg-install", "pack")
    shared = os.environ.get("TMPDIR") or "/tmp"
    yield os.path.join(shared, "pkg-install-pack-%d" % os.geteuid())

# Calls make with a directory that this user can write.
def in_cache(make):
    # Directories between those below must not be writable by others, either.
    mask = os.umask(0o022)
    os.umask(mask | 0o022)
    try:
        return in_first(make)
    finally:
        os.umask(mask)

def in_first(make):
    failure = None
    for path in caches():
        try:
            path = os.path.abspath(path)
            os.makedirs(path, 0o700, exist_ok=True)
            if os.path.islink(path) or not own(path):
                raise OSError("other users can write to %s" % path)
            if failure:
                sys.stderr.write("using %s: %s\n" % (path, failure))
            return make(path)
        except OSError as error:
            failure = failure or error
    raise failure
