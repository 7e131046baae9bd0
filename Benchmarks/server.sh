# shellcheck shell=bash
# Read by scripts that have set `name`, which messages begin with, in the root of the project: starts a server of PostgreSQL in
# `work`, a new folder, with the given lines of configuration. `server` is what its addresses end with. Both end with the script.
work=$(mktemp -d)
chmod 755 "$work"
finish() {
  # The server ends with what it reads.
  exec 3>&-
  wait
  rm -rf "$work"
}
trap finish EXIT
mkfifo "$work/to-server"
Tests/PostgreSQL/server "$work/server" "$@" <"$work/to-server" >"$work/ready" 3>&- &
exec 3>"$work/to-server"
until grep -q ready "$work/ready"; do
  # shellcheck disable=SC2154  # the name
  kill -0 $! 2>/dev/null || { echo "$name: no server of PostgreSQL" >&2; exit 1; }
  sleep 0.1
done
# shellcheck disable=SC2034  # the script's
server="host=$work/server&user=postgres"
