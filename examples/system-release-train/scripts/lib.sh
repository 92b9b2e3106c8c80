# What the scripts of the train share. Read by them, never run by itself.
#
# Trainmaster starts each attempt in an empty directory of its own, so scripts may run side by side:
# each works on a clone of its own and meets the others only when it pushes.
# TRAINMASTER_KEY stays the same when an attempt is repeated after nobody knew how it ended.
# Every commit carries it, so a repeated attempt finds what it did already and does nothing twice.

set -eu

# Whatever the machine's own Git settings are, they change nothing here.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME="${GIT_AUTHOR_NAME:-Trainmaster}" GIT_AUTHOR_EMAIL="${GIT_AUTHOR_EMAIL:-trainmaster@example.com}"
export GIT_COMMITTER_NAME="$GIT_AUTHOR_NAME" GIT_COMMITTER_EMAIL="$GIT_AUTHOR_EMAIL"

key="${TRAINMASTER_KEY:?run by Trainmaster, or set TRAINMASTER_KEY}"
release="${TRAINMASTER_RELEASE:-none}"

# How often a push is tried when others push at the same time.
pushes_max=20

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Hands a value on to Trainmaster: output NAME VALUE.
output() {
    printf '%s=%s\n' "$1" "$2" >>"${TRAINMASTER_OUTPUT:-/dev/null}"
}

# Makes a clone named `copy` with a branch checked out: clone REPOSITORY BRANCH.
clone() {
    git ls-remote --exit-code --heads "$1" "refs/heads/$2" >/dev/null ||
        fail "there is no branch \`$2\` in $1"
    git clone --quiet --branch "$2" "$1" copy
    cd copy
}

# A pattern for exactly this line, whatever letters it has: line TEXT.
line() {
    printf '^%s$' "$(printf '%s' "$1" | sed 's/[][\\.*^$]/\\&/g')"
}

# The commit of this key on a branch, if there is one: own_commit REF.
own_commit() {
    git log --format=%H --max-count=1 --basic-regexp --grep="$(line "Trainmaster-Key: $key")" "$1"
}

# Commits what is staged, with the trailers that identify the attempt and the release: commit SUBJECT.
commit() {
    git commit --quiet --message "$1" --message "Trainmaster-Release: $release
Trainmaster-Key: $key"
}

# Repeats a change on the newest state of a branch until it can be pushed: publish BRANCH FUNCTION.
# The function changes files and stages them; it is called again for every try.
publish() {
    tries=0
    while :; do
        git fetch --quiet origin "$1"
        git reset --quiet --hard FETCH_HEAD
        done_before="$(own_commit HEAD)"
        if [ -n "$done_before" ]; then
            echo "commit $done_before of an earlier try is there: nothing to do"
            git reset --quiet --hard "$done_before"
            return
        fi
        "$2"
        if git push --quiet origin "HEAD:refs/heads/$1" 2>push.err; then
            return
        fi
        tries=$((tries + 1))
        if [ "$tries" -ge "$pushes_max" ]; then
            cat push.err >&2
            fail "cannot push to \`$1\` after $tries tries"
        fi
        echo "somebody else pushed to \`$1\` meanwhile, trying again"
        sleep "0.$((tries % 5 + 1))" 2>/dev/null || sleep 1
    done
}
