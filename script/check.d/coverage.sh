# How many lines of the sources the tests reach, by file and in all, and which ones
# they do not.  Fails if a test fails, or under 90 %.  The arguments may name tests,
# such as test/sql/read.sql; by default all are run but those of the clients.

require_postgres
require gcc gcov=gcc pg_prove=libtap-parser-sourcehandler-pgtap-perl \
	IPC::Run=libipc-run-perl pgbouncer \
	"$("$PG_CONFIG" --sharedir)/extension/pgtap.control=postgresql-$major-pgtap"
make_work_directory
copy_sources
say "build for coverage"
# Files have their full names, and lines are not merged.
options=(CC=gcc prefix_map= COPT="-O0 --coverage -Wno-cpp" SHLIB_LINK=--coverage)
make_source . -j "$(getconf _NPROCESSORS_ONLN)" "${options[@]}"
install_source . "${options[@]}"
build_and_install_flag_user

# Processes of a server write what they have counted when they end in peace.
say "tests"
start_server max_prepared_transactions=10 wal_level=logical \
	max_worker_processes=16
createdb test
status=0
if [ $# = 0 ]; then
	make_source . installcheck REGRESS= || status=$?
	# What builds the sources itself counts for nothing, and the library exports
	# what gcov adds.
	set -- test/sql/*.sql $(grep -L 'NodeTests\|VPATH\|--defined-only' test/t/*.pl)
fi
run_prove "$@" || status=$?
stop_server

say "coverage"
cd "$work/source"
perl script/lib/coverage.pl 90 $(find src -name '*.c') || status=1
exit $status
