# Runs the pgTAP scripts, or the one named by ONLY, with valgrind.

require_postgres
require valgrind pg_prove=libtap-parser-sourcehandler-pgtap-perl \
	"$("$PG_CONFIG" --sharedir)/extension/pgtap.control=postgresql-$major-pgtap"
make_work_directory
copy_sources
build_and_install
start_server max_prepared_transactions=10
createdb test
psql -Xqc 'CREATE EXTENSION pgtap; DROP EXTENSION pgtap' test
stop_server
# Suppress reports about the server itself, which writes and sums padding.
cat > "$work/suppressions" << 'EOF2'
{
   padding_written
   Memcheck:Param
   pwrite64(buf)
   fun:*pwrite*
}
{
   padding_summed
   Memcheck:Value8
   fun:pg_comp_crc32c*
}
{
   padding_summed_too
   Memcheck:Cond
   fun:pg_comp_crc32c*
}
{
   padding_sent
   Memcheck:Param
   socketcall.sendto(msg)
   fun:send
}
EOF2
status=0
for script in "$work"/source/test/sql/${ONLY:-*}.sql; do
	name=$(basename "$script" .sql)
	# Run a server with valgrind for each script.
	(cd "$work" && as_user valgrind --quiet --trace-children=yes \
		--error-exitcode=0 --leak-check=no --num-callers=30 \
		--suppressions="$work/suppressions" --log-file="$work/valgrind.%p" \
		"$bindir/postgres" -D "$work/data" > "$work/server.log" 2>&1) &
	for ((i = 0; i < 600; i++)); do
		psql -Xqc 'SELECT 1' > /dev/null 2>&1 && break
		sleep 0.1
	done
	run_prove "test/sql/$name.sql" || status=1
	as_user "$bindir/pg_ctl" stop -D "$work/data" -m fast -s -t 300
	wait || true
	if grep -l 'instance_features\.so\|FATAL' "$work"/valgrind.* 2> /dev/null; then
		grep -h -A 30 'Invalid\|uninitialised' "$work"/valgrind.* | head -n 200
		status=1
	fi
	as_root rm -f "$work"/valgrind.*
done
exit $status
