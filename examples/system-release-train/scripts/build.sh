#!/bin/sh
# Builds and tests one service: build.sh REPOSITORY BRANCH SERVICE VERSION ARTIFACTS
# The artifact is an archive of the service's folder: the same commit gives the same bytes.
# Outputs: artifact, digest, commit.
. "$(dirname "$0")/lib.sh"
[ $# -eq 5 ] || fail "usage: build.sh REPOSITORY BRANCH SERVICE VERSION ARTIFACTS"
repository="$1" branch="$2" service="$3" version="$4" artifacts="$5"

clone "$repository" "$branch"
folder="services/$service"
[ -d "$folder" ] || fail "there is no service \`$service\` on \`$branch\`"
for script in "$folder"/*.sh; do
    sh -n "$script" || fail "$script is not well-formed"
done
echo "testing $service"
(cd "$folder" && sh ./test.sh) || fail "the tests of $service failed"

commit="$(git log --format=%H --max-count=1 -- "$folder")"
name="$service-$version.tar"
git archive --format=tar --output="../$name" "$commit" -- "$folder"
cd ..
digest="$(sha256sum "$name" | cut -d' ' -f1)"
mkdir -p "$artifacts"
# Moving is one step, so nobody ever reads half of an artifact.
cp "$name" "$artifacts/.$name.$$"
mv "$artifacts/.$name.$$" "$artifacts/$name"
printf '%s  %s\n' "$digest" "$name" >"$artifacts/.$name.sha256.$$"
mv "$artifacts/.$name.sha256.$$" "$artifacts/$name.sha256"
echo "built $name from $commit, sha256 $digest"
output artifact "$artifacts/$name"
output digest "$digest"
output commit "$commit"
