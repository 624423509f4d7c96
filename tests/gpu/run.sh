#!/usr/bin/env bash
# Everything for a machine with an NVIDIA GPU: builds the CUDA library with the nvcc found there, tests it, trains with it and
# measures it against PyTorch. Needs nvcc and cuBLAS (CUDA 11.8 or later), CMake and a C++20 compiler; what else is missing is left out,
# and the table says so. What matters most comes first: build, golden values and gradients, a small sanitizer run, the main comparison. Each of
# these has a limit of its own, all of them together end by --time, and what they leave of it goes to the rest. A stage that fails does not stop
# those behind it. Exits with 1 if a stage failed. README.md beside this file says what to carry to such a machine.
set -u -o pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'HELP'
usage: bash tests/gpu/run.sh [options]
  --out FOLDER    where gpu.json, gpu.md and the logs go (default: artifacts/gpu)
  --input FOLDER  what was carried along (default: artifacts/gpu-input): published.tar.xz, golden/, golden-sequences/
                  and mnist/, as far as they are there
  --published ARCHIVE  the tests, the tool and GoogleTest as publish.sh made them; without them these stages are skipped
  --data FOLDER   the files of MNIST, for training
  --shared FOLDER golden values for the published tests, as ORTHONATIVE_SHARED takes it
  --gtest FOLDER  sources of GoogleTest (default: those in the archive, or what is installed)
  --time SECONDS  all stages end by then (default: 540, for machines that stop a command after 600 s). The limits of the stages grow and shrink
                  with it; a stage gets what is left, if that is less than its limit, and none starts without any
  --quick         smaller benchmarks, no sanitizer
  --only PATTERN  only stages whose names match this regular expression, besides facts, build, build-tests, device and unpack; adds to what earlier
                  runs left in FOLDER, so that a long run can be cut into several
HELP
}

out=artifacts/gpu input=artifacts/gpu-input published='' data='' shared='' gtest='' quick=false only='' time=540
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=true ;;
    --help | -h) usage && exit 0 ;;
    --only)
        only=${2-}
        status=0
        [[ '' =~ $only ]] || status=$? # 2: no regular expression
        [ -n "$only" ] && [ "$status" -ne 2 ] || { echo "--only needs a regular expression of names of stages" >&2 && exit 2; }
        shift
        ;;
    --time)
        [[ ${2-} =~ ^[1-9][0-9]*$ ]] || { echo "--time needs seconds" >&2 && exit 2; }
        time=$2
        shift
        ;;
    --out | --input | --published | --data | --shared | --gtest)
        [ $# -ge 2 ] || { echo "$1 needs a path" >&2 && exit 2; }
        printf -v "${1#--}" '%s' "$(realpath -m "$2")"
        shift
        ;;
    *) echo "$1 is unknown" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
[ -n "$published" ] || [ ! -e "$input/published.tar.xz" ] || published=$(realpath "$input/published.tar.xz")
[ -n "$shared" ] || { [ ! -d "$input/golden" ] && [ ! -d "$input/golden-sequences" ]; } || shared=$(realpath "$input")
[ -n "$data" ] || [ ! -d "$input/mnist" ] || data=$(realpath "$input/mnist")
mkdir -p "$out" || exit 1
out=$(realpath "$out")
build=$PWD/native/build/gpu
tests=$build/published/tests tool=$build/published/tool
stages=$out/stages.tsv
if [ -z "$only" ]; then
    : >"$stages" || exit 1
fi
failed=0
# Whatever happens, what there is gets its table.
trap 'python3 tests/gpu/report.py "$out"' EXIT

# stage NAME SECONDS COMMAND...: one stage; its output goes to NAME.log, and one line of it to the table. 77 means skipped.
# The seconds are those of a run of 540 s.
stage() {
    local name=$1 limit=$((($2 * time + 539) / 540)) status=0 begin=$SECONDS result
    shift 2
    echo "== $name"
    if [ $((time - SECONDS)) -lt "$limit" ]; then
        limit=$((time - SECONDS))
    fi
    if [ "$limit" -gt 0 ]; then
        timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1 || status=$?
    else
        status=77
        echo "no time is left of $time s" >"$out/$name.log"
    fi
    case $status in
    0) result=passed ;;
    77) result=skipped ;;
    124) result="stopped after $limit s" ;;
    137) result="killed: for its time, $limit s, or for memory" ;;
    *) result=failed ;;
    esac
    case $status in
    0 | 77) ;;
    *) failed=1 ;;
    esac
    [ "$result" = passed ] || tail -n 15 "$out/$name.log"
    printf '%s\t%s\t%d s\t%s\n' "$name" "$result" $((SECONDS - begin)) "$(tail -n 1 "$out/$name.log" | tr -d '\t' | cut -c1-160)" >>"$stages"
    return "$status"
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
    python3 -c 'import torch; print("torch", torch.__version__)' 2>&1 | tail -n 1 || true
}

compile() {
    local toolkit architecture
    local options=(-DORTHO_BUILD_CUDA=ON -DORTHO_BUILD_BENCH=ON -DCMAKE_BUILD_TYPE=Release)
    # The loader of programs need not know the toolkit's folder, which CMake leaves out of the library's own search path.
    toolkit=$(dirname "$(dirname "$(realpath "$nvcc")")")
    options+=("-DCMAKE_BUILD_RPATH=$toolkit/lib64")
    architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | grep -Ex '[0-9]+\.[0-9]+' | tr -d .)
    # An nvcc older than the GPU does not know its architecture; PTX is then compiled by the driver.
    if [ -n "$architecture" ] && [[ " $("$nvcc" --list-gpu-code | tr '\n' ' ') " == *" sm_$architecture "* ]]; then
        options+=("-DORTHO_CUDA_ARCHITECTURES=$architecture")
    fi
    cmake -S native -B "$build" "${options[@]}" && cmake --build "$build" --parallel "$(nproc)" --target orthonative orthonative_cuda cuda_bench
}

# Apart from the library, which is measured even if the tests do not compile.
compile_tests() {
    local sources=$gtest options=(-DORTHO_BUILD_TESTS=ON)
    if [ -z "$sources" ] && [ -n "$published" ] && [ -d "$build/published/googletest" ] && [ ! -e /usr/include/gtest/gtest.h ]; then
        sources=$build/published/googletest
    fi
    if [ -n "$sources" ]; then
        cmake -S "$sources" -B "$build/gtest" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$build/gtest/installed" -DBUILD_GMOCK=OFF &&
            cmake --build "$build/gtest" --parallel "$(nproc)" --target install || return 1
        options+=("-DCMAKE_PREFIX_PATH=$build/gtest/installed")
    elif [ ! -e /usr/include/gtest/gtest.h ]; then
        echo "GoogleTest is missing: --gtest names its sources, or publish.sh packs them" && return 77
    fi
    cmake -S native -B "$build" "${options[@]}" && cmake --build "$build" --parallel "$(nproc)" --target orthonative_cuda_tests
}

# The first call of the device; cuda_bench ends with 3 if there is none.
device() { "$build/bench/cuda_bench" --hidden 32 --batch 2 --steps 4 --seconds 0.1; }

native_tests() {
    [ -x "$build/tests/orthonative_cuda_tests" ] || { echo "the tests were not built" && return 77; }
    "$build/tests/orthonative_cuda_tests"
}

unpack() {
    [ -n "$published" ] || { echo "--published is not given" && return 77; }
    mkdir -p "$build/published" && tar -C "$build/published" -xJf "$published" && du -sh "$build/published"
}

managed_tests() {
    [ -n "$published" ] || { echo "--published is not given" && return 77; }
    [ -z "$shared" ] || export ORTHONATIVE_SHARED=$shared
    "$tests/OrthoNative.CudaTests" "$@"
}

# sanitize TOOL: on small cases, since it slows a kernel down a hundred times.
sanitize() {
    local sanitizer status=0 filter program options=(--tool "$1" --error-exitcode 1 --report-api-errors no)
    sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) ||
        { echo "compute-sanitizer is missing" && return 77; }
    # Only this library's kernels, not those of cuBLAS; the option has had two names.
    if [[ $("$sanitizer" --help 2>&1) == *--kernel-name* ]]; then
        options+=(--kernel-name kernel_substring=ortho)
    else
        options+=(--kernel-regex kns=ortho)
    fi
    # Every_filter: all steps in one kernel, backward too, which only float32 has.
    filter='*Gradients_are_added*:*Inference_gives*:Plans/CudaChain.Every_filter_agrees*/persistent:*Layers_of_every_size*'
    filter+=':CudaOperations/0.Losses_agree*:CudaOperations/0.Dense*:CudaBuffer.Uploads*'
    program=("$build/tests/orthonative_cuda_tests" "--gtest_filter=$filter")
    if [ ! -x "${program[0]}" ]; then
        echo "the tests were not built, so cuda_bench runs in their place"
        program=("$build/bench/cuda_bench" --hidden 40 --batch 6 --steps 9 --seconds 0.1)
    fi
    "$sanitizer" "${options[@]}" "${program[@]}" 2>&1 | tee "$out/$1.txt" || status=1
    if grep -q "Device not supported" "$out/$1.txt"; then
        echo "compute-sanitizer does not support this device" && return 77
    fi
    return "$status"
}

# training NAME ARGUMENTS...: trains on the GPU and leaves the result in the folder train-NAME.
training() {
    local name=$1
    shift
    [ -n "$published" ] || { echo "--published is not given" && return 77; }
    "$tool/OrthoNative.Cli" train "$@" --device cuda --overwrite --out "$out/train-$name"
}

images() {
    [ -n "$data" ] || { echo "--data is not given" && return 77; }
    training "$@" --data "$data"
}

ours() { "$build/bench/cuda_bench" "$@"; }
theirs() { python3 tests/gpu/benchmark.py "$@"; }
export -f unpack native_tests managed_tests sanitize training images ours theirs facts compile compile_tests device
export build out published tests tool data shared gtest nvcc

run_stage() {
    local name=$1 limit=$2
    shift 2
    if [ -n "$only" ] && [[ ! $name =~ ^(facts|build|build-tests|device|unpack)$ ]] && [[ ! $name =~ $only ]]; then
        return
    fi
    stage "$name" "$limit" bash -c 'set -u -o pipefail; "$@"' run.sh "$@"
}

# measure NAME SIZES...: our training steps, those of PyTorch, and ours again.
measure() {
    local name=$1
    shift
    run_stage "bench-$name" 25 ours "$@" --seconds 1
    run_stage "torch-$name" 35 theirs "$@" --seconds 1
    run_stage "again-$name" 25 ours "$@" --seconds 1
}
shapes=("512 128 784" "512 256 784" "256 16 784" "256 128 784" "128 128 784") layers=5000
if $quick; then shapes=("64 8 100") layers=200; fi
read -r hidden batch steps <<<"${shapes[0]}"

# These come first, and their limits make 540 s together, so that none of them takes another's time.
run_stage facts 20 facts
cat "$out/facts.log"
run_stage unpack 15 unpack
run_stage build 170 compile || stop "the CUDA library could not be built; see $out/build.log"
device_status=0
run_stage device 15 device || device_status=$?
[ "$device_status" -ne 3 ] || stop "no CUDA device: $(tail -n 1 "$out/device.log")"
run_stage golden 50 managed_tests 'Golden|Gradient'
run_stage build-tests 80 compile_tests
run_stage native-tests 60 native_tests
if ! $quick; then run_stage memcheck 45 sanitize memcheck; fi
measure "$hidden-$batch" --hidden "$hidden" --batch "$batch" --steps "$steps"

# The rest has what time is left.
run_stage managed-tests 90 managed_tests
if ! $quick; then run_stage racecheck 60 sanitize racecheck; fi
# Two blocks that do little but wait for each other: the limit of what the steps' latency allows.
run_stage bench-32-2 25 ours --hidden 32 --batch 2 --steps 784 --seconds 0.5
measure layers-64-128 --hidden 64 --batch 128 --layers "$layers"
for cell in gru lstm; do measure "$cell-$hidden-$batch" --cell "$cell" --hidden "$hidden" --batch "$batch" --steps "$steps"; done
run_stage train-adding 60 training adding adding --length 1000
for shape in "${shapes[@]:1}"; do
    read -r more_hidden more_batch more_steps <<<"$shape"
    measure "$more_hidden-$more_batch" --hidden "$more_hidden" --batch "$more_batch" --steps "$more_steps"
done
run_stage train-copy 60 training copy copy
run_stage train-mnist 60 images mnist mnist --layers 100 --epochs 1
run_stage train-psmnist 90 images psmnist psmnist --epochs 1
# Last and alone, since compiling may take minutes.
run_stage "torch-compiled-$hidden-$batch" 180 theirs --hidden "$hidden" --batch "$batch" --steps "$steps" --compiled --seconds 1
exit "$failed"
