#!/bin/sh
# The interpreter of this environment, which may be moved, copied, and read-only. Its first call
# looks for a @NAME@ on this machine and makes the environment an ordinary virtual environment.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
while [ -h "$self" ]; do
    link=$(readlink "$self") || break
    case $link in /*) self=$link ;; *) self=${self%/*}/$link ;; esac
done
here=${self%/*}
[ -x "$here/@NAME@" ] && exec "$here/@NAME@" "$@"
# The launcher of another environment asks: it is answered only by one that knows its interpreter.
[ -z "$PKG_INSTALL_PACK_SEARCH" ] || exit 127
# An environment that cannot be written has a stand-in in the cache. Its path says which directory
# with which names it is for, and by which interpreter, so that it is found without starting one.
cache=${PKG_INSTALL_PACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pkg-install/pack}
key=$(cd -P "$here/.." && { pwd -P && LC_ALL=C ls -A . bin; } | cksum)
key=${key% *}-${key#* }
settle='
import os, sys
@BASE@
# The environment cannot be written, so links to it, with a configuration, take its place.
def stand_in(root, program, place):
    inside = [os.listdir(root), os.listdir(os.path.join(root, "bin"))]
    if os.access(os.path.join(place, "bin", "@NAME@"), os.X_OK):
        return place
    new = "%s.new-%d-%s" % (place, os.getpid(), os.urandom(6).hex())
    os.makedirs(os.path.join(new, "bin"))
    names = [name for name in inside[0] if name not in ("bin", "pyvenv.cfg")]
    for name in names + [os.path.join("bin", name) for name in inside[1]]:
        os.symlink(os.path.join(root, name), os.path.join(new, name))
    settle(new, program)
    try:
        os.rename(new, place)
    except OSError:
        # Another process was faster, or its interpreter is gone: then only that link is made anew.
        settle(place, program)
        import shutil
        shutil.rmtree(new, True)
    return place

if not fits():
    sys.exit(1)
program, root = base(), os.path.dirname(os.path.abspath(sys.argv[1]))
found = sys.argv[3]
if not os.path.isabs(found) or ".." in found.split("/"):
    found = os.path.abspath(sys.executable)
try:
    settle(root, program)
except OSError:
    path = os.path.join("links", sys.argv[2]) + found
    root = in_cache(lambda cache: stand_in(root, program, os.path.join(cache, path)))
sys.stdout.buffer.write(os.fsencode(os.path.join(root, "bin", "@NAME@")))
'
ask() {
    found=$("$1" -I -S -B -c "$settle" "$here" "$key" "$1" 2>/dev/null) && [ -x "$found" ]
}
ready() {
    place=$cache/links/$key$1
    found=$place/bin/@NAME@
    [ -x "$found" ] && [ -O "$place" ] && [ "$place/bin/python" -ef "$here/python" ]
}
search() {
    [ -n "$PKG_INSTALL_PYTHON" ] && "$1" "$PKG_INSTALL_PYTHON" && return
    IFS=:
    for name in @NAME@ python3 python; do
        for place in $PATH; do
            [ -x "$place/$name" ] || continue
            # This file itself is found if the environment is on the path.
            [ "$place" -ef "$here" ] && continue
            "$1" "$place/$name" && return
        done
    done
    return 1
}
export PKG_INSTALL_PACK_SEARCH=1
if search ready || search ask; then
    unset PKG_INSTALL_PACK_SEARCH IFS
    exec "$found" "$@"
fi
echo "$0: this environment needs @NAME@; there is none on PATH ($PATH), and PKG_INSTALL_PYTHON" \
    "names none" >&2
exit 127
