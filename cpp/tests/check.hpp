/// Assertions that stay on in release builds.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                \
    }                                                                              \
  } while (false)

#define CHECK_NEAR(actual, expected, tolerance)                                                        \
  do {                                                                                                 \
    const double a_ = (actual), e_ = (expected);                                                       \
    if (!(std::fabs(a_ - e_) <= (tolerance))) {                                                        \
      std::fprintf(stderr, "%s:%d: %s is %.9g, expected %.9g\n", __FILE__, __LINE__, #actual, a_, e_); \
      std::exit(1);                                                                                    \
    }                                                                                                  \
  } while (false)
