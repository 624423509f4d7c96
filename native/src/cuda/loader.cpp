#include <atomic>
#include <cstring>
#include <mutex>
#include <string>

#include "core/error.hpp"
#include "core/fork.hpp"
#include "core/system.hpp"
#include "cuda/device.hpp"

#if defined(__linux__)
#include <dlfcn.h>
#endif

namespace ortho::cuda {

#if defined(__linux__)

namespace {

constexpr const char* file_name = "liborthonative_cuda.so";
constexpr const char* package_name = "OrthoNative.Native.Cuda.linux-x64";
constexpr const char* path_variable = "ORTHONATIVE_CUDA_LIBRARY";

/** Where this library lies, "/" at the end; "" if that cannot be told, or only relative to a folder that may not be the
 * current one any more. */
std::string own_folder() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&table), &info) == 0 || info.dli_fname == nullptr)
        return {};
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return path[0] != '/' ? std::string() : path.substr(0, slash + 1);
}

void* open_library(const char* path, std::string& failures) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* reason = dlerror();
        failures += failures.empty() ? "" : "; ";
        failures += reason != nullptr ? reason : path;
    }
    return library;
}

const plugin::Table& load() {
    std::string failures;
    void* library = nullptr;
    if (const char* named = environment(path_variable); named != nullptr) {
        // What a relative path stands for changes with the current folder, in which anyone may have put a file.
        if (*named != '/')
            fail(ORTHO_NOT_SUPPORTED, "%s is '%s'; it must be the full path of the library", path_variable,
                 ForeignText(named, 256).c_str());
        library = open_library(named, failures);
    } else {
        if (const std::string folder = own_folder(); !folder.empty())
            library = open_library((folder + file_name).c_str(), failures);
        if (library == nullptr)
            library = open_library(file_name, failures);
    }
    if (library == nullptr)
        fail(ORTHO_NOT_SUPPORTED,
             "the library %s of CUDA devices cannot be loaded; add the NuGet package %s %s, install the NVIDIA driver "
             "and the CUDA runtime and cuBLAS that it was built with, or name the library's file with %s (%s)",
             file_name, package_name, ORTHO_VERSION, path_variable, failures.c_str());
    using EntryPoint = const plugin::Table* (*)();
    const auto entry_point = reinterpret_cast<EntryPoint>(dlsym(library, plugin::entry_point));
    const plugin::Table* found = entry_point != nullptr ? entry_point() : nullptr;
    if (found == nullptr || found->size != sizeof(plugin::Table) || std::strcmp(found->version, ORTHO_VERSION) != 0 ||
        std::strcmp(found->header_hash, ORTHO_HEADER_HASH) != 0) {
        dlclose(library);
        fail(ORTHO_NOT_SUPPORTED,
             "the library %s does not belong to this version of liborthonative (%s); add the NuGet package %s of this "
             "version, or take both from one build",
             file_name, ORTHO_VERSION, package_name);
    }
    return *found;
}

} // namespace

const plugin::Table& table() {
    static std::mutex mutex;
    static const plugin::Table* loaded = nullptr;
    /** 1 + forks_so_far() of the process that loads or has loaded the library; 0: none does. */
    static std::atomic<uint64_t> loader{0};
    const uint64_t process = uint64_t{1} + forks_so_far();
    // Before the lock, which a thread that is not in this process may hold.
    if (const uint64_t user = loader; user != 0 && user != process)
        fail(ORTHO_NOT_SUPPORTED, "CUDA was in use when this process was forked, which CUDA does not survive; create "
                                  "CUDA devices in the child alone, or start a new program there");
    const std::lock_guard lock(mutex);
    if (loaded != nullptr)
        return *loaded;
    loader = process;
    try {
        loaded = &load();
    } catch (...) {
        loader = 0;
        throw;
    }
    return *loaded;
}

#else

const plugin::Table& table() {
    fail(ORTHO_NOT_SUPPORTED, Argument{"options->kind"}, "is %d (CUDA); CUDA devices are supported on Linux only",
         ORTHO_DEVICE_CUDA);
}

#endif

} // namespace ortho::cuda
