# Sends malformed requests, frames and messages to the gateway.  COUNT (20000) is
# their number; SEED repeats them.
require_postgres
make_work_directory
copy_sources
install_clients gateway
build_and_install
start_server max_connections=50
psql -Xq -v ON_ERROR_STOP=1 << 'EOF2'
CREATE ROLE alice;
CREATE ROLE landlord;
CREATE ROLE gateway LOGIN NOINHERIT IN ROLE alice, landlord;
CREATE EXTENSION instance_features;
SELECT alter_system_owner('landlord') AS ignored \gset
SELECT create_instance('acme', 'alice') AS ignored \gset
SELECT create_instance('other', 'landlord') AS ignored \gset
EOF2
cd "$work/source/clients/gateway"
as_user env PGUSER=gateway ADMIN_USER=postgres COUNT="${COUNT:-20000}" \
	SEED="${SEED:-$RANDOM}" node test/mutate.js
