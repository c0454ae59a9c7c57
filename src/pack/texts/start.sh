#!/bin/sh
# A Python application in two zip archives, which follow these lines. Its first start unpacks the
# first archive into a cache; later starts run what is there and do not read this file.
want=@NAME@ id=@ID@
cache=${PKG_INSTALL_PACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pkg-install/pack}
ready() {
    root=$cache/$id$1
    [ -x "$root/bin/$want" ] && [ -O "$root" ]
}
fits() {
    found=$1
    "$found" -I -S -c '
import sys
is_threaded = "t" in getattr(sys, "abiflags", "")
sys.exit(sys.implementation.cache_tag != "@TAG@" or is_threaded != @THREADED@)' 2>/dev/null
}
search() {
    [ -n "$PKG_INSTALL_PYTHON" ] && "$1" "$PKG_INSTALL_PYTHON" && return
    IFS=:
    for name in "$want" python3 python; do
        for place in $PATH; do
            case $place in /*) [ -x "$place/$name" ] && "$1" "$place/$name" && return ;; esac
        done
    done
    return 1
}
if search ready; then
    unset IFS
    entry=@ENTRY@
    [ -n "$entry" ] && [ -z "$PKG_INSTALL_PACK_INTERPRETER" ] &&
        exec "$root/bin/$want" "$root/bin/$entry" "$@"
    exec "$root/bin/$want" "$@"
fi
if search fits; then
    unset IFS
    export PKG_INSTALL_PACK_FOUND="$found"
    exec "$found" -I -S -B "$0" "$@"
fi
echo "$0: this application needs $want; there is none on PATH ($PATH), and PKG_INSTALL_PYTHON" \
    "names none" >&2
exit 127
