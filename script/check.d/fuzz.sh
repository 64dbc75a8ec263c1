# Runs sqlsmith, and a long test/t/fuzz.pl, on a server with assertions (see the
# mode assert).  QUERIES (50000) and FUZZ_STEPS (50000) are their lengths; SEED
# repeats the queries of sqlsmith.
. script/lib/assert_server.sh

require_postgres
make_work_directory
require_assert_server
require sqlsmith IPC::Run=libipc-run-perl \
	pg_prove=libtap-parser-sourcehandler-pgtap-perl
copy_sources
build_and_install
start_server
psql -Xq << 'EOF2'
CREATE EXTENSION instance_features;
CREATE ROLE smith LOGIN IN ROLE pg_read_all_data;
ALTER ROLE smith SET statement_timeout = '1s';
ALTER ROLE smith SET instance_features.instance_id = 'smith';
SELECT create_instance('smith', 'smith') AS ignored \gset
GRANT CREATE ON SCHEMA public TO smith;
EOF2
seed=${SEED:-$RANDOM}
say "sqlsmith, seed $seed"
sqlsmith --target="host=$PGHOST port=$PGPORT user=smith dbname=postgres" \
	--seed="$seed" --max-queries="${QUERIES:-50000}" \
	> "$work/sqlsmith.log" 2>&1 || true
tail -n 3 "$work/sqlsmith.log"
status=0
if grep -E 'TRAP|PANIC|terminated by signal' "$work/server.log"; then
	status=1
fi
psql -Xqc "SELECT sequence, resource_owner FROM get_instance_feature_details('smith')" \
	-c 'TABLE pg_stat_database' -x | grep -E 'sequence|xact' || true
if [ -n "$(psql -XqAtc 'SELECT * FROM check_instance_features()')" ]; then
	echo "the tables are inconsistent" >&2
	status=1
fi
if grep -B 1 -A 4 'ERROR:  XX000' "$work/server.log" | grep instance_features; then
	status=1
fi
export FUZZ_STEPS=${FUZZ_STEPS:-50000}
run_prove test/t/fuzz.pl || status=1
exit $status
