#!/usr/bin/env bash
# Everything for a machine with an NVIDIA GPU: builds the CUDA library with the nvcc found there, tests it, trains with it and
# measures it against PyTorch. Needs nvcc and cuBLAS (CUDA 11.8 or later), CMake and a C++20 compiler; what else is missing is left out,
# and the table says so. Takes up to ten minutes. README.md beside this file says what to carry to such a machine.
set -u -o pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'HELP'
usage: bash tests/gpu/run.sh [options]
  --out FOLDER    where gpu.json, gpu.md and the logs go (default: artifacts/gpu)
  --published ARCHIVE  the tests and the tool that publish.sh made; without them these stages are skipped
  --data FOLDER   the files of MNIST, for training
  --shared FOLDER golden values for the published tests, as ORTHONATIVE_SHARED takes it
  --gtest FOLDER  sources of GoogleTest, where it is not installed
  --quick         smaller benchmarks, no sanitizer
HELP
}

out=artifacts/gpu published='' data='' shared='' gtest='' quick=false
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=true ;;
    --help | -h) usage && exit 0 ;;
    --out | --published | --data | --shared | --gtest)
        [ $# -ge 2 ] || { echo "$1 needs a path" >&2 && exit 2; }
        printf -v "${1#--}" '%s' "$(realpath -m "$2")"
        shift
        ;;
    *) echo "$1 is unknown" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
mkdir -p "$out" || exit 1
out=$(realpath "$out")
build=$PWD/native/build/gpu
tests=$build/published/tests tool=$build/published/tool
rows=$out/rows.jsonl
stages=$out/stages.tsv
: >"$rows" && : >"$stages" || exit 1

# stage NAME SECONDS COMMAND...: one stage; its output goes to NAME.log, and one line of it to the table. 77 means skipped.
stage() {
    local name=$1 limit=$2 status=0 begin=$SECONDS result
    shift 2
    echo "== $name"
    timeout "$limit" "$@" >"$out/$name.log" 2>&1 || status=$?
    case $status in
    0) result=passed ;;
    77) result=skipped ;;
    124) result="stopped after $limit s" ;;
    *) result=failed ;;
    esac
    [ "$result" = passed ] || tail -n 15 "$out/$name.log"
    printf '%s\t%s\t%d s\t%s\n' "$name" "$result" $((SECONDS - begin)) "$(tail -n 1 "$out/$name.log" | tr -d '\t' | cut -c1-160)" >>"$stages"
    [ "$status" -eq 0 ]
}

stop() {
    echo "$1" >&2
    exit 1
}

nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || stop "nvcc is missing: install the CUDA toolkit, 11.8 or later"
command -v cmake >/dev/null || stop "CMake is missing"
export CUDACXX=$nvcc ORTHONATIVE_CUDA_LIBRARY=$build/liborthonative_cuda.so

facts() {
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader 2>&1 || echo "nvidia-smi is missing or finds no GPU"
    "$nvcc" --version | tail -n 2 | head -n 1
    python3 -c 'import torch; print("torch", torch.__version__)' 2>&1 | tail -n 1
}

compile() {
    local architectures options=(-DORTHO_BUILD_CUDA=ON -DORTHO_BUILD_BENCH=ON -DCMAKE_BUILD_TYPE=Release)
    architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
    [ -z "$architectures" ] || options+=("-DORTHO_CUDA_ARCHITECTURES=$architectures")
    if [ -n "$gtest" ]; then
        cmake -S "$gtest" -B "$build/gtest" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$build/gtest/installed" -DBUILD_GMOCK=OFF &&
            cmake --build "$build/gtest" --parallel "$(nproc)" --target install || return 1
        options+=("-DCMAKE_PREFIX_PATH=$build/gtest/installed")
    fi
    if [ -n "$gtest" ] || [ -e /usr/include/gtest/gtest.h ]; then
        options+=(-DORTHO_BUILD_TESTS=ON)
    fi
    cmake -S native -B "$build" "${options[@]}" && cmake --build "$build" --parallel "$(nproc)"
}

native_tests() {
    [ -x "$build/tests/orthonative_cuda_tests" ] || { echo "GoogleTest is missing: --gtest names its sources" && return 77; }
    "$build/tests/orthonative_cuda_tests"
}

unpack() {
    [ -n "$published" ] || { echo "--published is not given" && return 77; }
    mkdir -p "$build/published" && tar -C "$build/published" -xJf "$published" && du -sh "$build/published"
}

managed_tests() {
    [ -n "$published" ] || { echo "--published is not given" && return 77; }
    [ -z "$shared" ] || export ORTHONATIVE_SHARED=$shared
    "$tests/OrthoNative.CudaTests"
}

# sanitize TOOL: on small cases, since it slows a kernel down a hundred times.
sanitize() {
    local sanitizer
    sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) ||
        { echo "compute-sanitizer is missing" && return 77; }
    [ -x "$build/tests/orthonative_cuda_tests" ] || { echo "GoogleTest is missing" && return 77; }
    "$sanitizer" --tool "$1" --error-exitcode 1 "$build/tests/orthonative_cuda_tests" \
        --gtest_filter='*Gradients_are_added*:*Inference_gives*:CudaOperations/0.Losses_agree*:CudaOperations/0.Dense*:CudaBuffer.Uploads*'
}

# training NAME ARGUMENTS...: trains on the GPU and leaves the result of the run in training.jsonl.
training() {
    local name=$1 run
    shift
    [ -n "$published" ] || { echo "--published is not given" && return 77; }
    run=$out/train-$name
    "$tool/OrthoNative.Cli" train "$@" --device cuda --out "$run" || return
    tr -d '\n' <"$run/run.json" >>"$out/training.jsonl" && echo >>"$out/training.jsonl"
}

images() {
    [ -n "$data" ] || { echo "--data is not given" && return 77; }
    training "$@" --data "$data"
}

ours() { "$build/bench/cuda_bench" "$@" | tee -a "$rows"; }
theirs() { python3 tests/gpu/benchmark.py "$@" | tee -a "$rows"; }
export -f unpack native_tests managed_tests sanitize training images ours theirs facts compile
export build out published tests tool data shared gtest rows nvcc

run_stage() {
    local name=$1 limit=$2
    shift 2
    stage "$name" "$limit" bash -c 'set -u -o pipefail; "$@"' run.sh "$@"
}

run_stage facts 60 facts
cat "$out/facts.log"
run_stage build 300 compile || stop "the CUDA library could not be built; see $out/build.log"
# The first call of the device: without one, nothing that follows can be done.
"$build/bench/cuda_bench" --hidden 32 --batch 2 --steps 4 --seconds 0.1 >"$out/first.log" 2>&1 || stop "no CUDA device: $(tail -n 1 "$out/first.log")"

run_stage unpack 60 unpack
run_stage native-tests 120 native_tests
run_stage managed-tests 120 managed_tests
if ! $quick; then
    run_stage memcheck 60 sanitize memcheck
    run_stage racecheck 60 sanitize racecheck
fi
: >"$out/training.jsonl"
run_stage train-adding 60 training adding adding --length 1000
run_stage train-copy 60 training copy copy
run_stage train-psmnist 120 images psmnist psmnist --epochs 1
run_stage train-mnist 90 images mnist mnist --layers 100 --epochs 1
shapes=("512 128 784" "256 16 784" "256 128 784" "128 128 784")
if $quick; then shapes=("64 8 100"); fi
for shape in "${shapes[@]}"; do
    read -r hidden batch steps <<<"$shape"
    sizes=(--hidden "$hidden" --batch "$batch" --steps "$steps" --seconds 1)
    run_stage "bench-$hidden-$batch" 60 ours "${sizes[@]}"
    run_stage "torch-$hidden-$batch" 90 theirs "${sizes[@]}"
    run_stage "again-$hidden-$batch" 60 ours "${sizes[@]}"
done
python3 tests/gpu/report.py "$out"
