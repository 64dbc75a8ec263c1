# Finds the commands that a script needs; sourced, not run.
#
# The rule: search for the command first.  If it is missing, install its package
# if there is apt, else print the package's name and fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source_directory=$PWD

say() {
	printf '\n== %s\n' "$*"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

has_apt() {
	command -v apt-get > /dev/null && command -v dpkg-query > /dev/null
}

# Return whether a command, a file (/...), a header (*.h) or a Perl module (with
# colons) is installed.  Some commands are only in root's directories.
is_there() {
	case $1 in
	*::*) perl "-M$1" -e 1 2> /dev/null ;;
	/*) [ -e "$1" ] ;;
	*.h) echo "#include <$1>" | "${compiler:-cc}" -E - > /dev/null 2>&1 ;;
	*) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" > /dev/null ;;
	esac
}

# require THING[=PACKAGE]...: install the packages of missing things, or print
# their names and fail.  By default, the package has the name of the thing.
require() {
	local argument packages=''
	for argument; do
		is_there "${argument%%=*}" || packages="$packages ${argument#*=}"
	done
	[ -n "$packages" ] || return 0
	if has_apt; then
		# shellcheck disable=SC2086 # names of packages
		install_packages $packages
	fi
	for argument; do
		is_there "${argument%%=*}" || {
			echo "${argument%%=*} is missing; Debian's package ${argument#*=} has it" >&2
			exit 1
		}
	done
}

# Install these Debian packages.
install_packages() {
	say "installing $*"
	update_apt
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends "$@"
}

update_apt() {
	[ -n "${apt_is_up_to_date:-}" ] || as_root apt-get update -q
	apt_is_up_to_date=yes
}

# Print the mirror from which this machine gets its packages.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -v security | head -n 1
}
