# Builds the sources and third-party software for tests; sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"

# Print the names of the source files, that is, files that are not ignored.
list_sources() {
	if [ -e .git ] && command -v git > /dev/null; then
		git -c safe.directory="*" -c core.quotePath=off ls-files --cached \
			--others --exclude-standard
	else
		find . -type f ! -name '*.o' ! -name '*.so' ! -name '*.bc' \
			! -path './.git/*' ! -path '*/node_modules/*'
	fi | while IFS= read -r file; do
		[ ! -f "$file" ] || printf '%s\n' "${file#./}"
	done
}

# Write the sources as a tar archive.
sources() {
	list_sources | tar -c -f - -T -
}

# Copy the sources to $work/source, where they are built as the unprivileged
# user.
copy_sources() {
	mkdir "$work/source"
	sources | tar -x -f - -C "$work/source"
	[ "$(id -u)" != 0 ] || chown -R "$user" "$work/source"
}

# Run make in a directory of $work/source, as the unprivileged user, with the
# compiler in CC if it is set.
make_source() {
	local directory=$1
	shift
	as_user make -s -C "$work/source/$directory" with_llvm=no \
		${CC:+CC="$CC"} "$@"
}

# Print COPT for a build in which warnings are errors.  Clang warns about
# options and attributes that PostgreSQL uses for gcc.
strict() {
	local flags=-Werror
	if "$compiler" --version | grep -q clang; then
		flags+=' -Wno-unknown-warning-option -Wno-ignored-optimization-argument'
		flags+=' -Wno-unused-command-line-argument -Wno-ignored-attributes'
	fi
	echo "$flags"
}

# Install the build, as root unless we may write to PostgreSQL's directories.
install_source() {
	local directory=$1 as=as_root
	shift
	[ ! -w "$("$PG_CONFIG" --pkglibdir)" ] || as=
	$as make -s -C "$work/source/$directory" with_llvm=no \
		${CC:+CC="$CC"} install "$@" > /dev/null
}

# Build in $work/source, treating warnings as errors, and install.  Arguments
# are passed to make.
build_and_install() {
	make_source . -j "$(getconf _NPROCESSORS_ONLN)" COPT="$(strict)" "$@"
	install_source . "$@"
}

# The same for the test module that uses our C API, with the installed header.
build_and_install_flag_user() {
	make_source test/modules/flag_user COPT="$(strict)" "$@"
	install_source test/modules/flag_user "$@"
}

# Install the dependencies of the named clients in $work/source/clients, as
# locked, and Node.js unless it is installed.
install_clients() {
	local client
	require node=nodejs npm curl
	for client; do
		as_user env HOME="$work" npm ci --prefix "$work/source/clients/$client" \
			--ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	done
}

# Run tests with PostgreSQL's test modules and the server in $work.  Arguments
# are passed to prove.
run_prove() {
	(cd "$work/source" && as_user env PATH="$PATH" TESTDIR="$work" \
		TESTDATADIR="$work/tmp_check" TESTLOGDIR="$work/tmp_check/log" \
		PG_CONFIG="$PG_CONFIG" PG_REGRESS="$pgxs/test/regress/pg_regress" \
		pg_prove -I "$pgxs/test/perl" -I test/t --dbname test \
		--source Perl --ext .sql "$@")
}
