# What the scripts share; sourced by them, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# PostgreSQL's server and initdb refuse to run as root.
if [ "$(id -u)" = 0 ]; then
	user=${TEST_USER:-postgres}
else
	user=$(id -un)
fi

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

as_user() {
	if [ "$(id -u)" = 0 ]; then runuser -u "$user" -- "$@"; else "$@"; fi
}

say() {
	printf '\n== %s\n' "$*"
}

# Install those of the named packages that are missing.
require_packages() {
	local missing=() package
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2> /dev/null |
			grep -q ' installed$' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	[ -n "${apt_is_up_to_date:-}" ] || as_root apt-get update -q
	apt_is_up_to_date=yes
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Where this machine gets its distribution's packages from.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -v security | head -n 1
}

# Find PostgreSQL, installing what is missing of it: the one whose pg_config
# is in PG_CONFIG, else the distribution's.  Sets PG_CONFIG, major and bindir.
require_postgres() {
	require_packages gcc make libc6-dev
	if [ -z "${PG_CONFIG:-}" ]; then
		if [ -z "$(apt-cache search --names-only '^postgresql$')" ]; then
			as_root apt-get update -q
			apt_is_up_to_date=yes
		fi
		major=$(apt-cache depends postgresql |
			sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
		if [ -z "$major" ]; then
			echo "no package postgresql is to be had: set PG_CONFIG" >&2
			exit 1
		fi
		require_packages "postgresql-$major" "postgresql-server-dev-$major"
		PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
	fi
	major=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
	bindir=$("$PG_CONFIG" --bindir)
	export PG_CONFIG
}

# Make a directory of our own, which is gone when the script ends, however it
# does, and the server in it with it.  Sets work.
make_work_directory() {
	work=$(mktemp -d /tmp/instance_features.XXXXXX)
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	as_root chown "$user" "$work"
}

clean_up() {
	trap '' HUP INT TERM
	if [ -e "$work/data/postmaster.pid" ]; then
		as_user "$bindir/pg_ctl" stop -D "$work/data" -m immediate -s || true
	fi
	as_root rm -rf "$work"
}

# The sources, less what is ignored, as a tar archive.
sources() {
	if [ -d .git ] && command -v git > /dev/null; then
		git -c safe.directory="$PWD" ls-files -z --cached --others \
			--exclude-standard
	else
		find . -type f -print0
	fi | tar -c --null --ignore-failed-read -T - 2> /dev/null
}

# Copy the sources to $work/source, where they are built as the unprivileged
# user.
copy_sources() {
	mkdir "$work/source"
	sources | tar -x -C "$work/source"
	as_root chown -R "$user" "$work/source"
}

# Build in $work/source, warnings being errors, and install.  Arguments go to
# make.
build_and_install() {
	as_user make -s -j "$(nproc)" -C "$work/source" with_llvm=no \
		COPT=-Werror "$@"
	as_root make -s -C "$work/source" with_llvm=no install "$@" > /dev/null
}

# The same for the extension that uses ours, against the installed header.
build_and_install_flag_user() {
	as_user make -s -C "$work/source/test/modules/flag_user" with_llvm=no \
		COPT=-Werror "$@"
	as_root make -s -C "$work/source/test/modules/flag_user" with_llvm=no \
		install "$@" > /dev/null
}

# Install what the named clients in $work/source/clients need, by their locks,
# and Node.js, unless it is there.
install_clients() {
	local client
	command -v node > /dev/null && command -v npm > /dev/null ||
		require_packages nodejs npm
	require_packages curl
	for client; do
		as_user env HOME="$work" npm ci --prefix "$work/source/clients/$client" \
			--ignore-scripts --no-audit --no-fund --no-update-notifier \
			--loglevel=error
	done
}

# Start a server in $work for superuser postgres, reached only by a socket
# there.  Arguments are settings; server_env may have an environment for it.
start_server() {
	as_user env -C "$work" "$bindir/initdb" -D "$work/data" -U postgres \
		--auth=trust --encoding=UTF8 --locale=C --no-sync > "$work/initdb.log"
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$work'"
		echo "port = 5432"
		echo "fsync = off"
		printf '%s\n' "$@"
	} | as_user tee -a "$work/data/postgresql.conf" > /dev/null
	as_user env -C "$work" ${server_env:-} "$bindir/pg_ctl" start -D "$work/data" -w -s \
		-l "$work/server.log"
	export PGHOST=$work PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	unset PGSERVICE PGOPTIONS PGPASSWORD
	PATH=$bindir:$PATH
}

# in_chroot ROOT [NAME=VALUE...] COMMAND: run it as root in a chroot, with a
# fresh environment, and end all that it started.
in_chroot() {
	as_root unshare --mount --pid --fork --kill-child bash -ec '
		root=$1
		shift
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount -t tmpfs tmpfs "$root/dev"
		mkdir "$root/dev/shm" "$root/dev/pts"
		mount -t tmpfs tmpfs "$root/dev/shm"
		for device in null zero full random urandom tty; do
			touch "$root/dev/$device"
			mount --bind "/dev/$device" "$root/dev/$device"
		done
		ln -s /proc/self/fd "$root/dev/fd"
		ln -s fd/0 "$root/dev/stdin"
		ln -s fd/1 "$root/dev/stdout"
		ln -s fd/2 "$root/dev/stderr"
		cp /etc/resolv.conf /etc/hosts "$root/etc/" 2> /dev/null || true
		if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
			cp "$NODE_EXTRA_CA_CERTS" "$root/etc/extra-ca-certificates.crt"
		fi
		exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS=/etc/extra-ca-certificates.crt} "$@"
	' - "$@"
}
