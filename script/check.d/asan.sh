# Runs the regression, isolation and pgTAP tests with AddressSanitizer and
# UndefinedBehaviorSanitizer.
. script/lib/assert_server.sh

require_postgres
make_work_directory
# This does not work with the distribution's server: its message catalogs and the
# sanitizer's runtime deadlock at startup.
require_assert_server
require gcc pg_prove=libtap-parser-sourcehandler-pgtap-perl
copy_sources
flags='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
say "build with sanitizers"
build_and_install CC=gcc SHLIB_LINK="$flags" COPT="-Werror $flags"
server_env="LD_PRELOAD=$(gcc -print-file-name=libasan.so)"
# The server is not instrumented, and does not free memory when it exits.
server_env+=" ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:log_path=$work/asan"
server_env+=" UBSAN_OPTIONS=print_stacktrace=1:log_path=$work/asan"
start_server max_prepared_transactions=10 wal_level=logical
createdb test
status=0
make_source . installcheck || status=$?
run_prove test/sql/*.sql || status=$?
stop_server
if ls "$work"/asan.* > /dev/null 2>&1; then
	cat "$work"/asan.*
	status=1
fi
exit $status
