# Starts the gateway in clients/gateway with the server in $work; sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/build.sh"

# Make the file of a shared secret, with which the gateway's tokens are signed.
make_secret() {
	head -c 32 /dev/urandom | base64 > "$work/secret"
	as_root chown "$user" "$work/secret"
}

# Start a gateway with the configuration that is read from the input, in
# $work/gateway.json, as the login "gateway".  Its log is $work/gateway.log.  Sets
# port and http2_port.  It is stopped when the script ends for any reason.
start_gateway() {
	cat > "$work/gateway.json"
	as_root chown "$user" "$work/gateway.json"
	trap stop_gateway EXIT
	as_user env PGUSER=gateway sh -c 'echo $$ > "$1"/gateway.pid
		exec node "$1"/source/clients/gateway/src/main.js "$1"/gateway.json' \
		- "$work" 2> "$work/gateway.log" &
	for ((i = 0; i < 100; i++)); do
		! grep -q '"listening"' "$work/gateway.log" || break
		sleep 0.1
	done
	port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$work/gateway.log")
	http2_port=$(sed -n 's/.*"http2Port":\([0-9]*\).*/\1/p' "$work/gateway.log")
	if [ -z "$port" ]; then
		cat "$work/gateway.log" >&2
		exit 1
	fi
}

stop_gateway() {
	trap '' HUP INT TERM
	if [ -s "$work/gateway.pid" ]; then
		as_root kill "$(cat "$work/gateway.pid")" 2> /dev/null || true
		wait
	fi
	clean_up
}
