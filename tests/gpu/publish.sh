#!/usr/bin/env bash
# Makes what a machine with a GPU and without the .NET SDK needs: the tests and the command-line tool, self-contained.
#
#   bash tests/gpu/publish.sh FOLDER
#
# FOLDER/tests and FOLDER/tool are then given to run.sh there.
set -u -o pipefail
cd "$(dirname "$0")/../.."

if [ $# -ne 1 ]; then
    echo "usage: bash tests/gpu/publish.sh FOLDER" >&2
    exit 2
fi
out=$(realpath -m "$1")

publish() {
    dotnet publish "$1" -c Release -r linux-x64 --self-contained -p:DebugType=none -p:SatelliteResourceLanguages=en -o "$out/$2" || exit 1
}

publish tests/gpu/CudaTests tests
publish src/Cli tool
du -sh "$out/tests" "$out/tool"
