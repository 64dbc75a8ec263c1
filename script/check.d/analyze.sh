# Runs gcc -fanalyzer, clang-tidy and cppcheck, and fails if they report anything.

require_postgres
require gcc clang-tidy cppcheck
make_work_directory
copy_sources
server_include=$("$PG_CONFIG" --includedir-server)
say "gcc -fanalyzer"
make_source . CC=gcc COPT="-Werror -fanalyzer -isystem $server_include"
say "clang-tidy"
# Disable the check that demands memcpy_s(), which glibc does not have.
(cd "$work/source" && clang-tidy --quiet --warnings-as-errors='*' \
	--checks=-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling \
	$(find src -name '*.c') -- -DINSTANCE_FEATURES_VERSION='""' \
	$(find src -type d | sed 's/^/-I/') -isystem "$server_include" \
	$("$PG_CONFIG" --cppflags))
say "cppcheck"
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c99 \
	--enable=warning,performance,portability \
	--suppress=missingIncludeSystem -DPG_VERSION_NUM="${major}0000" \
	'-Dforeach(cell,list)=while((cell=list_head(list)))' \
	"$work/source/src"
