#!/bin/sh
set -eu
check() {
    [ "$(sh ./fee.sh "$1")" = "$2" ] || { echo "the fee for $1 is not $2" >&2; exit 1; }
}
check 1000 20
check 49 1
check 0 1
echo "3 tests passed"
