# shellcheck shell=bash
# Read by peers/run and agreement/run, before they change the folder: finds or makes what a run needs. What takes
# long to make is marked or renamed when it is whole, so that a run never takes what an interrupted one left.
# They set `name`, which messages begin with, and `work`, where things are made.
# shellcheck disable=SC2154  # those two

fail() {
  echo "$name: $1" >&2
  exit 1
}

# The comment at the head of the script.
usage() {
  sed -n '2,/^[^#]/s/^#\( \|$\)//p' "$0"
}

# Makes the path in a variable absolute, if it has one: it is relative to where the script was called.
resolve() {
  if [ -n "${!1:-}" ]; then
    case ${!1} in /*) ;; *) printf -v "$1" %s "$PWD/${!1}" ;; esac
  fi
}

# The same for a program, which must be there; a bare name is looked for in PATH first.
resolve_program() {
  local path
  if [ -n "${!1:-}" ]; then
    path=$(PATH=$PATH:. type -P "${!1}") && [ -x "$path" ] || fail "$1=${!1}: no such program"
    printf -v "$1" %s "$path"
    resolve "$1"
  fi
}

# Builds the engine unless SEGMOE names one.
engine() {
  if [ -z "${SEGMOE:-}" ]; then
    SEGMOE=.build/release/segmoe
    if [ ! -x "$SEGMOE" ]; then swift build -c release --product segmoe; fi
  fi
}

# environment LIST PACKAGE…: makes a Python environment of the list unless PYTHON names one, which must have the
# packages. The list is copied into it at the end: without that copy it is half-made, with another it is out of date.
environment() {
  local list=$1 venv=$work/venv
  shift
  if [ -z "${PYTHON:-}" ]; then
    PYTHON=$venv/bin/python
    if [ ! -x "$PYTHON" ] || [ "$(cat "$venv/made-from.txt" 2>&1)" != "$(cat "$list")" ]; then
      rm -rf "$venv"
      python3 -m venv "$venv"
      "$venv/bin/pip" install --quiet torch --index-url https://download.pytorch.org/whl/cpu ||
        "$venv/bin/pip" install --quiet torch
      "$venv/bin/pip" install --quiet -r "$list"
      cp "$list" "$venv/made-from.txt"
    fi
  fi
  "$PYTHON" -c '
import importlib.util, sys
missing = [name for name in sys.argv[2:] if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(f"{sys.argv[1]}: {sys.executable} has no {missing[0]}")' "$name" "$@"
}

# synthesize KIND FOLDER: has the engine write a model unless it is there; aside at first.
synthesize() {
  if [ ! -d "$2" ]; then
    rm -rf "$2.part"
    "$SEGMOE" synth "$1" "$2.part"
    mv "$2.part" "$2"
  fi
}
