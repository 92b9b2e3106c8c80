#!/bin/sh
set -eu
[ "$(sh ./greeting.sh Anna)" = "Hello, Anna!" ] || { echo "Anna is not greeted" >&2; exit 1; }
[ "$(sh ./greeting.sh)" = "Hello, stranger!" ] || { echo "strangers are not greeted" >&2; exit 1; }
echo "2 tests passed"
