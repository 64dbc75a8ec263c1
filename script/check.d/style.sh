# Fails if a file violates .editorconfig, if the name of an SQL test is not a
# sentence, or if script/format would change a C source and has the right version
# of its tool.

say "style"
require perl
if has_apt && apt-cache policy pg-bsd-indent | grep -q 'Candidate: 2\.1\.1-'; then
	require pg_bsd_indent=pg-bsd-indent
fi
status=0
list_sources | perl script/lib/style.pl || status=1
script/format --check c || status=1
exit $status
