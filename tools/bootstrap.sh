#!/bin/sh
# A bare machine -> .venv with the package in it. Called by the Makefile:
#   sh tools/bootstrap.sh PYTHON VENV EXTRAS        EXTRAS: of setup.cfg, as pip takes them
# Needs a POSIX shell and Python; says in one line what is missing otherwise.
set -eu

python=$1
venv=$2
extras=$3

stop() {
    echo "make: $1" >&2
    exit 1
}

# Does the library load? Asked of the Python that will load it.
has_library() {
    "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null
}

command -v "$python" >/dev/null 2>&1 ||
    stop "expected Python 3.11 or newer, found no $python (another one: make PYTHON=/path/to/python3)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "expected Python 3.11 or newer, $python is $("$python" -V 2>&1 | cut -d' ' -f2) (another one: make PYTHON=/path/to/python3)"

# What the wheels expect of the system. Debian splits venv off its Python, and the
# OpenCV wheel links to libGL and glib (its window code, which we never call).
missing=""
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
    ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing="$missing python3-venv"
fi
if [ "$(uname -s)" = Linux ]; then
    has_library libGL.so.1 || missing="$missing libgl1"
    has_library libgthread-2.0.so.0 || missing="$missing libglib2.0-0"
fi

if [ -n "$missing" ]; then
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        as_root="sudo"
    fi
    line="${as_root:+$as_root }apt-get update && ${as_root:+$as_root }apt-get install -y --no-install-recommends$missing"
    command -v apt-get >/dev/null 2>&1 ||
        stop "these are missing; install them (Debian's names) and type make again:$missing"
    if [ -n "$as_root" ] && ! sudo -n true 2>/dev/null; then
        stop "Debian packages are missing and this user may not install them; type: $line"
    fi
    echo "make: installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # -E keeps a proxy that the environment names
    as_root=${as_root:+sudo -n -E}
    { $as_root apt-get update -q && $as_root apt-get install -y -q --no-install-recommends $missing; } ||
        stop "apt-get could not install them; when that is mended, type: $line"
fi

if [ -e "$venv/bin/python" ] || [ -L "$venv/bin/python" ]; then
    "$venv/bin/python" -c '' 2>/dev/null ||
        stop "the Python in $venv does not run (moved, or its Python is gone): remove $venv and type make again"
fi
# Also completes an environment whose making was interrupted.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv "$venv"

free_kb=$(df -Pk "$venv" | awk 'NR == 2 {print $4}')
if [ ! -d "$venv"/lib/python3*/site-packages/torch ] && [ "$free_kb" -lt 8000000 ]; then
    echo "make: $((free_kb / 1000000)) GB are free here; PyTorch with its CUDA libraries takes about 7 GB" >&2
fi

echo "make: installing the package and what it needs into $venv (the first time some minutes)"
"$venv/bin/python" -m pip install --prefer-binary --disable-pip-version-check -e ".$extras" ||
    stop "pip could not install the package (its last lines say why); type make again to go on"
"$venv/bin/python" -c 'import cv2' ||
    stop "OpenCV does not load (line above); $venv/bin/pipeline doctor says more"

touch "$venv/installed"
case $extras in
*test*) touch "$venv/installed-test" ;;
esac
