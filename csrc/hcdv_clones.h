/* One binary, the widest registers at run time, where gcc and glibc can choose between clones. */
#ifndef HCDV_CLONES_H
#define HCDV_CLONES_H

#include <stddef.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define HCDV_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define HCDV_CLONES
#endif

#endif
