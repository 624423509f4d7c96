#!/usr/bin/env bash
# Makes what a machine with a GPU and without the .NET SDK needs: the tests and the command-line tool, self-contained, in one
# archive below 60 MB, which run.sh takes with --published.
#
#   bash tests/gpu/publish.sh published.tar.xz
set -u -o pipefail
cd "$(dirname "$0")/../.."

if [ $# -ne 1 ]; then
    echo "usage: bash tests/gpu/publish.sh ARCHIVE.tar.xz" >&2
    exit 2
fi
archive=$(realpath -m "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

publish() {
    dotnet publish "$1" -c Release -r linux-x64 --self-contained -p:DebugType=none -p:SatelliteResourceLanguages=en -o "$folder/$2"
}

publish tests/gpu/CudaTests tests && publish src/Cli tool || exit 1
# Both have the same runtime: what the tool has in common with the tests is there once.
for file in "$folder"/tool/*; do
    same=$folder/tests/$(basename "$file")
    if [ -f "$file" ] && cmp -s "$file" "$same"; then
        ln -f "$same" "$file"
    fi
done
XZ_OPT=-T0 tar -C "$folder" -cJf "$archive.new" tests tool && mv "$archive.new" "$archive" || exit 1
bytes=$(stat -c %s "$archive")
echo "$archive: $((bytes >> 20)) MiB"
[ "$bytes" -lt 60000000 ] || { echo "the archive is larger than 60 MB" >&2 && exit 1; }
