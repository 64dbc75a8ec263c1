# Runs test/stress: eight sessions that call all functions concurrently.  MINUTES
# (5) is the duration; SEED repeats the statements, not their timing.
require_postgres
require IPC::Run=libipc-run-perl
make_work_directory
copy_sources
build_and_install
libdir=$(dirname "$("$PG_CONFIG" --pgxs)")/..
cd "$work/source"
as_user env PATH="$bindir:$PATH" TESTDIR="$work" \
	TESTDATADIR="$work/tmp_check" TESTLOGDIR="$work/tmp_check/log" \
	MINUTES="${MINUTES:-5}" ${SEED:+SEED="$SEED"} \
	PG_REGRESS="$libdir/test/regress/pg_regress" \
	prove -I "$libdir/test/perl" -I test/t test/stress/stress.pl
