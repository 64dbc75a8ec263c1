# Prints which source file uses which, from the symbols of the object files.
# Fails on an arrow between folders that does not lead down, on files that use each
# other, on a header that is included from below, and on a file of more than 460
# lines.
#
# src/FLOORS defines the order: each line names the folders of a floor, the top
# one first.  Without it, src is a single room.

require_postgres
require nm=binutils perl
make_work_directory
copy_sources
say "build"
make_source . -j "$(getconf _NPROCESSORS_ONLN)"
say "rooms"
cd "$work/source"
perl script/lib/rooms.pl src
