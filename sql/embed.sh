#!/bin/bash
# embed.sh FILE... - prints a C file that holds the given files as base/embedded.h declares them, sorted by path.
set -euo pipefail
export LC_ALL=C

echo '#include "base/embedded.h"'
echo
echo 'const struct embedded_file embedded_files[] = {'
if [ $# -gt 0 ]; then
	printf '%s\n' "$@" | sort | while read -r path; do
		# A question mark is escaped because C11 still knows trigraphs.
		text=$(sed -e 's/\\/\\\\/g; s/"/\\"/g; s/?/\\?/g; s/^/\t"/; s/$/\\n"/' "$path")
		printf '{"%s",\n%s,\n\tsizeof(\n%s) - 1},\n' "$path" "${text:-\"\"}" "${text:-\"\"}"
	done
fi
# C has no empty arrays; the last entry is not counted.
echo '{"", "", 0}};'
echo "const size_t embedded_file_count = $#;"
