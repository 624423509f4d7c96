#!/bin/sh
# check_privileges.sh PROGRAM LIBRARY: a setuid program must load no library that the environment of its user names, nor compute as it says.
# Exits with 77, and the reason, where this cannot be tried.
set -u
skip() { echo "skipped: $1" && exit 77; }
[ "$(id -u)" = 0 ] || skip "only root makes a program setuid"
command -v setpriv >/dev/null || skip "setpriv, which runs a program as another user, is missing"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cp "$1" "$folder/plain" && cp "$1" "$folder/setuid" && cp "$2" "$folder/foreign.so" &&
    chmod 755 "$folder" "$folder/plain" "$folder/foreign.so" && chmod 4755 "$folder/setuid" || exit 1

# run PROGRAM INSTRUCTION_SET LIBRARY, from another folder than the library's
run() {
    cd / && env ORTHONATIVE_CPU="$2" ORTHONATIVE_CUDA_LIBRARY="$3" setpriv --reuid=65534 --regid=65534 --clear-groups "$folder/$1" 2>&1
}
# expect OUTPUT PATTERN yes|no
expect() {
    case $1 in *"$2"*) found=yes ;; *) found=no ;; esac
    [ $found = "$3" ] && return
    echo "expected '$2': $3, in:"
    echo "$1"
    exit 1
}

expect "$(run plain nonsense "$folder/foreign.so")" "information 5" yes
plain=$(run plain '' "$folder/foreign.so")
expect "$plain" "effective user 65534" yes
expect "$plain" "information 0" yes
expect "$plain" "foreign code ran" yes

raised=$(run setuid nonsense "$folder/foreign.so")
case $raised in *"effective user 65534"*) skip "$folder is on a file system without setuid programs" ;; esac
expect "$raised" "effective user 0" yes
expect "$raised" "information 0" yes
expect "$raised" "foreign code ran" no

# A relative path would be another file in each folder.
relative=$(run plain '' "${folder#/}/foreign.so")
expect "$relative" "foreign code ran" no
expect "$relative" "it must be the full path of the library" yes
echo passed
