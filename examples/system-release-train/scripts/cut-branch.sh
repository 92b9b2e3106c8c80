#!/bin/sh
# Cuts the release branch: cut-branch.sh REPOSITORY BASE BRANCH VERSION
# The branch starts with a commit that writes the version down. Outputs: branch, commit.
. "$(dirname "$0")/lib.sh"
[ $# -eq 4 ] || fail "usage: cut-branch.sh REPOSITORY BASE BRANCH VERSION"
repository="$1" base="$2" branch="$3" version="$4"

clone "$repository" "$base"
if git rev-parse --quiet --verify "refs/remotes/origin/$branch" >/dev/null; then
    cut="$(own_commit "refs/remotes/origin/$branch")"
    [ -n "$cut" ] || fail "branch \`$branch\` is there already, and another release has cut it"
    echo "branch \`$branch\` was cut by an earlier try"
else
    git checkout --quiet -b "$branch"
    printf '%s\n' "$version" >VERSION
    git add VERSION
    commit "Cut $branch from $base"
    git push --quiet origin "HEAD:refs/heads/$branch"
    cut="$(git rev-parse HEAD)"
    echo "cut \`$branch\` from \`$base\` at $cut"
fi
output branch "$branch"
output commit "$cut"
