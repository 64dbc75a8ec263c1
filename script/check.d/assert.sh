# Runs the tests on a server with assertions, and the cache's tests with
# debug_discard_caches = 1.  Unless PG_CONFIG names a server with assertions, this
# builds one, which takes some minutes; SERVERS is a directory to keep it in.
. script/lib/assert_server.sh

require_postgres
make_work_directory
require_assert_server
say "the suite with assertions"
script/test
say "the cache's tests with debug_discard_caches = 1"
copy_sources
build_and_install
start_server debug_discard_caches=1
createdb test
run_prove test/sql/visibility.sql test/sql/read.sql test/sql/write.sql
