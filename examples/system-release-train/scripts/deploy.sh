#!/bin/sh
# Puts a version into an environment: deploy.sh REPOSITORY ENVIRONMENT SERVICE VERSION ARTIFACTS
# What runs where is written in environments/ENVIRONMENT/SERVICE.yaml on the branch `main`.
# Outputs: commit, version, previous.
. "$(dirname "$0")/lib.sh"
[ $# -eq 5 ] || fail "usage: deploy.sh REPOSITORY ENVIRONMENT SERVICE VERSION ARTIFACTS"
repository="$1" environment="$2" service="$3" version="$4" artifacts="$5"

name="$service-$version.tar"
[ -f "$artifacts/$name" ] || fail "there is no artifact \`$name\`: build it first"
(cd "$artifacts" && sha256sum --check --quiet "$name.sha256") ||
    fail "artifact \`$name\` is not what was built"
digest="$(cut -d' ' -f1 "$artifacts/$name.sha256")"
file="environments/$environment/$service.yaml"

write_version() {
    mkdir -p "$(dirname "$file")"
    cat >"$file" <<END
service: $service
version: $version
digest: $digest
release: $release
END
    git add "$file"
    if git diff --cached --quiet; then
        # Somebody put exactly this there; the commit still says that this attempt looked.
        git commit --quiet --allow-empty --message "Keep $service $version in $environment" \
            --message "Trainmaster-Release: $release
Trainmaster-Key: $key"
    else
        commit "Deploy $service $version to $environment"
    fi
}

clone "$repository" main
publish main write_version
previous="$(git show "HEAD~1:$file" 2>/dev/null | sed -n 's/^version: //p')"
echo "$environment: $service ${previous:-nothing} -> $version"
output commit "$(git rev-parse HEAD)"
output version "$version"
output previous "$previous"
