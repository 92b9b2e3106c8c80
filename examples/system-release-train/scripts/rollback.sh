#!/bin/sh
# Takes back what this release deployed: rollback.sh REPOSITORY ENVIRONMENT SERVICE
# The file becomes what it was before the first deployment by this release, unless another release has written it since.
# Outputs: commit, version.
. "$(dirname "$0")/lib.sh"
[ $# -eq 3 ] || fail "usage: rollback.sh REPOSITORY ENVIRONMENT SERVICE"
repository="$1" environment="$2" service="$3"
file="environments/$environment/$service.yaml"

take_back() {
    now="$(sed -n 's/^release: //p' "$file" 2>/dev/null || true)"
    if [ "$now" != "$release" ]; then
        echo "$file is not by this release any more: it stays as it is"
        return
    fi
    git rm --quiet --ignore-unmatch "$file" >/dev/null
    if git cat-file -e "$first~1:$file" 2>/dev/null; then
        git checkout --quiet "$first~1" -- "$file"
    fi
    if git diff --cached --quiet; then
        git commit --quiet --allow-empty --message "Keep $service in $environment" \
            --message "Trainmaster-Release: $release
Trainmaster-Key: $key"
    else
        commit "Roll $service back in $environment"
    fi
}

clone "$repository" main
first="$(git log --format=%H --reverse --basic-regexp --grep="$(line "Trainmaster-Release: $release")" -- "$file" | head -n 1)"
if [ -z "$first" ]; then
    echo "this release did not deploy $service to $environment: nothing to take back"
    exit 0
fi
publish main take_back
version="$(sed -n 's/^version: //p' "$file" 2>/dev/null || true)"
echo "$environment: $service is at ${version:-nothing} now"
output commit "$(git rev-parse HEAD)"
output version "$version"
