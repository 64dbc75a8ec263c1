# Runs commands in a chroot of a Debian release; sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/build.sh"

# unpack_chroot ARCHIVE ROOT SOURCE: unpack the archive to ROOT, and the sources
# to its directory SOURCE.
unpack_chroot() {
	as_root mkdir "$2"
	as_root tar -x -C "$2" -f "$1" --exclude='./dev/*'
	as_root mkdir -p "$2/$3"
	sources | as_root tar -x -f - -C "$2/$3"
}

# in_chroot ROOT [NAME=VALUE...] COMMAND: run the command as root in a chroot,
# with a clean environment, and terminate all processes that it started.
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
		set -- LC_ALL=C.UTF-8 "$@"
		if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
			cp "$NODE_EXTRA_CA_CERTS" "$root/etc/extra-ca-certificates.crt"
			set -- NODE_EXTRA_CA_CERTS=/etc/extra-ca-certificates.crt "$@"
		fi
		exec chroot "$root" env -i HOME=/root \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
	' - "$@"
}
