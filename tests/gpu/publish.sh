#!/usr/bin/env bash
# Makes what a machine with a GPU and without the .NET SDK needs: the tests and the command-line tool, self-contained, and the
# sources of GoogleTest, in one archive below 60 MB, which run.sh takes with --published.
#
#   bash tests/gpu/publish.sh published.tar.xz [SOURCES_OF_GOOGLETEST]       (default: Debian's, /usr/src/googletest)
set -u -o pipefail
cd "$(dirname "$0")/../.."

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: bash tests/gpu/publish.sh ARCHIVE.tar.xz [SOURCES_OF_GOOGLETEST]" >&2
    exit 2
fi
archive=$(realpath -m "$1")
gtest=${2-/usr/src/googletest}
[ -e "$gtest/googletest/src/gtest-all.cc" ] || { echo "$gtest has no sources of GoogleTest: install googletest, or name them" >&2 && exit 1; }
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
mkdir -p "$folder/googletest/googletest" && cp -r "$gtest/CMakeLists.txt" "$folder/googletest" &&
    cp -r "$gtest"/googletest/{CMakeLists.txt,cmake,include,src} "$folder/googletest/googletest" || exit 1
XZ_OPT=-T0 tar -C "$folder" -cJf "$archive.new" tests tool googletest && mv "$archive.new" "$archive" || exit 1
bytes=$(stat -c %s "$archive")
echo "$archive: $((bytes >> 20)) MiB"
[ "$bytes" -lt 60000000 ] || { echo "the archive is larger than 60 MB" >&2 && exit 1; }
