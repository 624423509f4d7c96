// Runs a test's body in the child of a fork.
#pragma once

#include <gtest/gtest.h>

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

// The thread sanitizer does not let a child start threads.
#if !defined(__SANITIZE_THREAD__)
#define ORTHO_CAN_FORK
#endif

namespace ortho::test {

/**
 * Forks; the child runs body and ends. Expects that it ended by itself, without a failed expectation. A child that
 * hangs is killed by its alarm.
 */
template <class Body> void in_child(Body&& body) {
    constexpr unsigned longest = 60; // seconds; no more than a guard against hanging for ever
    std::fflush(nullptr);
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) {
        alarm(longest);
        body();
        std::fflush(nullptr);
        _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_FALSE(WIFSIGNALED(status)) << "the child was ended by signal " << WTERMSIG(status)
                                      << (WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    EXPECT_EQ(WEXITSTATUS(status), 0) << "an expectation failed in the child";
}

} // namespace ortho::test

#endif
