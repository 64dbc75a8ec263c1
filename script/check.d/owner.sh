# The pgTAP scripts with the database owned, and the extension created, by a role
# that is no superuser, in a schema that somebody else has poisoned:
# test/setup_owner.sql.
require_postgres
require pg_prove=libtap-parser-sourcehandler-pgtap-perl \
	"$("$PG_CONFIG" --sharedir)/extension/pgtap.control=postgresql-$major-pgtap"
make_work_directory
copy_sources
build_and_install
start_server wal_level=logical
createdb test
cd "$work/source"
as_user env PATH="$PATH" EXTENSION_OWNER=yes \
	pg_prove --dbname test --ext .sql test/sql/*.sql
