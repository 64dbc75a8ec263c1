# Finds the commands that a script needs; sourced, not run.
#
# The rule: a command is looked for first.  Only if it is missing does a package
# matter: it is installed where there is apt, and named everywhere else.
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

# Is a command, a file (/...), a header (*.h) or a Perl module (with colons)
# there?  Some commands for everybody are in the directories for root.
is_there() {
	case $1 in
	*::*) perl "-M$1" -e 1 2> /dev/null ;;
	/*) [ -e "$1" ] ;;
	*.h) echo "#include <$1>" | "${compiler:-cc}" -E - > /dev/null 2>&1 ;;
	*) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" > /dev/null ;;
	esac
}

# require THING[=PACKAGE]...: install the packages of those that are missing,
# or name them and fail.  Debian's package has the thing's name by default.
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

# Install Debian's packages of these names.
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

# Where this machine gets its distribution's packages from.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -v security | head -n 1
}
