# Finds PostgreSQL, and runs a private server; sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# PostgreSQL's server and initdb refuse to run as root.
if [ "$(id -u)" = 0 ]; then
	user=${TEST_USER:-postgres}
else
	user=$(id -un)
fi

as_user() {
	if [ "$(id -u)" = 0 ]; then runuser -u "$user" -- "$@"; else "$@"; fi
}

# Find PostgreSQL and the tools to build for it: the one whose pg_config is in
# PG_CONFIG, else the distribution's, else the one in PATH.  Sets PG_CONFIG,
# major, bindir, and pgxs, the directory of PGXS.
require_postgres() {
	if [ -z "${PG_CONFIG:-}" ] && has_apt; then
		[ -n "$(apt-cache search --names-only '^postgresql$')" ] || update_apt
		major=$(apt-cache depends postgresql |
			sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
		if [ -n "$major" ]; then
			PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
			bindir=$(dirname "$PG_CONFIG")
			require "$bindir/postgres=postgresql-$major" \
				"$PG_CONFIG=postgresql-server-dev-$major"
		fi
	fi
	PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || {
		echo "PostgreSQL is missing: set PG_CONFIG to the path of its pg_config" >&2
		exit 1
	}
	export PG_CONFIG
	major=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
	bindir=$("$PG_CONFIG" --bindir)
	pgxs=$(cd "$(dirname "$("$PG_CONFIG" --pgxs)")/.." && pwd) || exit
	compiler=$("$PG_CONFIG" --cc)
	compiler=${CC:-${compiler#ccache }}
	compiler=${compiler%% *}
	require "$compiler" make stdlib.h=libc6-dev "$bindir/initdb=postgresql-$major" \
		"$("$PG_CONFIG" --includedir-server)/postgres.h=postgresql-server-dev-$major"
	[ "$(id -u)" != 0 ] || require runuser=util-linux
	PATH=$bindir:$PATH
}

# Make a private directory, which is removed with its server when the script
# ends for any reason.  Sets work.
make_work_directory() {
	work=$(mktemp -d /tmp/instance_features.XXXXXX)
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	[ "$(id -u)" != 0 ] || chown "$user" "$work"
}

clean_up() {
	trap '' HUP INT TERM
	if [ -e "$work/data/postmaster.pid" ]; then
		as_user "$bindir/pg_ctl" stop -D "$work/data" -m immediate -s || true
	fi
	rm -rf "$work" 2> /dev/null || as_root rm -rf "$work"
}

# Start a server in $work with superuser postgres, which listens only on a socket
# there.  Arguments are settings; server_env may have its environment.
start_server() {
	(cd "$work" && as_user "$bindir/initdb" -D "$work/data" -U postgres \
		--auth=trust --encoding=UTF8 --locale=C --no-sync > "$work/initdb.log")
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$work'" \
		"port = 5432" "fsync = off" "$@" |
		as_user tee -a "$work/data/postgresql.conf" > /dev/null
	# shellcheck disable=SC2086 # several words
	(cd "$work" && as_user env ${server_env:-} "$bindir/pg_ctl" start \
		-D "$work/data" -w -s -l "$work/server.log")
	export PGHOST=$work PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	unset PGSERVICE PGOPTIONS PGPASSWORD
}

# Stop the server so that its processes exit normally.
stop_server() {
	as_user "$bindir/pg_ctl" stop -D "$work/data" -m fast -s
}
