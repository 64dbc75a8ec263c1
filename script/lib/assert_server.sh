# Builds a server with assertions; sourced, not run.

# Sets PG_CONFIG to the pg_config of a server with assertions.  If PG_CONFIG does
# not name such a server, one is built from the distribution's source; SERVERS,
# if set, is a directory in which it is kept for reuse.
require_assert_server() {
	local prefix pgtap
	require_postgres
	! "$PG_CONFIG" --configure | grep -q enable-cassert || return 0
	has_apt || {
		echo "set PG_CONFIG to that of a server built with --enable-cassert" >&2
		exit 1
	}
	prefix=${SERVERS:-$work}/assert
	pgtap=$("$PG_CONFIG" --sharedir)/extension
	require "$pgtap/pgtap.control=postgresql-$major-pgtap"
	[ -x "$prefix/bin/pg_config" ] || build_assert_server "$prefix"
	as_root cp "$pgtap"/pgtap* "$("$prefix/bin/pg_config" --sharedir)/extension/"
	PG_CONFIG=$prefix/bin/pg_config
	require_postgres
}

build_assert_server() {
	local prefix=$1 list suite part
	say "building a server in $prefix"
	require bison flex perl pkg-config dpkg-source=dpkg-dev unicode/uchar.h=libicu-dev
	list=/etc/apt/sources.list.d/instance_features-source.sources
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	printf '%s\n' 'Types: deb-src' "URIs: $(mirror)" \
		"Suites: $suite" 'Components: main' \
		'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' |
		as_root tee "$list" > /dev/null
	as_root apt-get update -q > /dev/null
	(cd "$work" && as_user apt-get source -q --download-only "postgresql-$major")
	as_root rm "$list"
	as_user mkdir "$work/server"
	as_user tar -x -C "$work/server" --strip-components=1 \
		-f "$work"/postgresql-"$major"_*.orig.tar.bz2
	as_root mkdir -p "$prefix"
	as_root chown "$user" "$prefix"
	(cd "$work/server" && as_user ./configure --quiet --prefix="$prefix" \
		--enable-cassert --enable-debug --enable-tap-tests --with-icu \
		--without-readline --without-zlib \
		CFLAGS='-O1 -g -fno-omit-frame-pointer')
	as_user make -s -j "$(getconf _NPROCESSORS_ONLN)" -C "$work/server" > "$work/build.log" 2>&1
	for part in . contrib src/test/regress src/test/isolation src/test/perl; do
		as_user make -s -C "$work/server/$part" install >> "$work/build.log" 2>&1
	done
}
