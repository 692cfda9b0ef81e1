/// What the tick promises, in a form that compilers check.
#pragma once

/// On every function of the tick that is defined elsewhere: it does not allocate, lock, throw or call the system. Clang
/// proves it at compile time (-Wfunction-effects) and at run time (-fsanitize=realtime), see `make realtime`.
#if defined(__has_cpp_attribute) && __has_cpp_attribute(clang::nonblocking)
#define PODHAND_NONBLOCKING [[clang::nonblocking]]
#else
#define PODHAND_NONBLOCKING
#endif
