// What somebody else's library does as soon as it is loaded.
#include <cstdio>

__attribute__((constructor)) static void run() {
    std::puts("foreign code ran");
}
