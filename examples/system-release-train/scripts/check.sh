#!/bin/sh
# Looks at something and says whether it is as it should be; changes nothing.
#   check.sh changelog REPOSITORY BRANCH VERSION         the changelog has an entry for the version
#   check.sh fixes REPOSITORY BRANCH CUT                 every commit since the cut says who approved it; output: count
#   check.sh versions REPOSITORY ENVIRONMENT VERSION SERVICE…   an environment holds one version of all services
. "$(dirname "$0")/lib.sh"

changelog() {
    [ $# -eq 3 ] || fail "usage: check.sh changelog REPOSITORY BRANCH VERSION"
    clone "$1" "$2"
    grep -q -F -x "## $3" CHANGELOG.md ||
        fail "CHANGELOG.md has no entry for $3: add a section \`## $3\` to \`$2\`"
    echo "CHANGELOG.md has an entry for $3"
}

fixes() {
    [ $# -eq 3 ] || fail "usage: check.sh fixes REPOSITORY BRANCH CUT"
    clone "$1" "$2"
    count=0
    for fix in $(git rev-list --reverse "$3..HEAD"); do
        subject="$(git show --no-patch --format=%s "$fix")"
        approver="$(git show --no-patch --format='%(trailers:key=Approved-by,valueonly)' "$fix" | head -n 1)"
        [ -n "$approver" ] || fail "nobody approved $fix ($subject): it needs a trailer \`Approved-by\`"
        echo "$subject, approved by $approver"
        count=$((count + 1))
    done
    echo "fixes: $count"
    output count "$count"
}

versions() {
    [ $# -ge 4 ] || fail "usage: check.sh versions REPOSITORY ENVIRONMENT VERSION SERVICE..."
    repository="$1" environment="$2" version="$3"
    shift 3
    clone "$repository" main
    for service in "$@"; do
        found="$(sed -n 's/^version: //p' "environments/$environment/$service.yaml" 2>/dev/null || true)"
        [ "$found" = "$version" ] || fail "$environment has $service ${found:-nothing} instead of $version"
    done
    echo "$environment has $version of $*"
}

kind="${1:-}"
[ $# -eq 0 ] || shift
case "$kind" in
changelog) changelog "$@" ;;
fixes) fixes "$@" ;;
versions) versions "$@" ;;
*) fail "usage: check.sh changelog|fixes|versions ..." ;;
esac
