#!/bin/sh
# The fee for an amount in cents: two percent, at least one cent.
fee=$(($1 * 2 / 100))
[ "$fee" -ge 1 ] || fee=1
echo "$fee"
