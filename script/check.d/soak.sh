# The gateway and the provider with 200 clients, while servers restart and fail
# over, networks swallow, locks are held, tokens expire and an instance comes and
# goes: test/soak.  MINUTES (10) says how long; SEED repeats who does what, not
# when.  ONLY=lock, for example, has nothing happen but locks.
require_postgres
make_work_directory
copy_sources
install_clients gateway openfeature
build_and_install
cd "$work/source"
as_user env PG_BINDIR="$bindir" TMPDIR="$work" MINUTES="${MINUTES:-10}" \
	SEED="${SEED:-$RANDOM}" ONLY="${ONLY:-}" node test/soak/soak.js
