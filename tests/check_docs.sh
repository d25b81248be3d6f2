#!/bin/sh
# A test that the documents name is there: a promise whose test was renamed says nothing. Usage: check_docs.sh
set -u
bad=0
for name in $(grep -hoE '`(tests/)?((test|fuzz)_[a-z0-9_]+|cli_[a-z0-9_]+\.sh)`' README.md CONTRIBUTING.md docs/*.md docs/results/*.md |
    tr -d '`' | sed 's|tests/||; s|\.sh$||' | sort -u); do
    found=
    for file in tests/"$name".* tests/*/"$name".*; do [ -e "$file" ] && found=1; done
    [ -n "$found" ] || { echo "$name is named in the documents and is no test"; bad=1; }
done
[ $bad -eq 0 ] && echo "documents: every test that they name is there"
exit $bad
