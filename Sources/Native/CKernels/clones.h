// NB_CLONES: a function compiled for several instruction sets, chosen when the program starts. The default version is the
// scalar reference; the others are the same source for wider registers.
#ifndef NESTBOX_CLONES_H
#define NESTBOX_CLONES_H

#if defined(__x86_64__) && defined(__linux__) && defined(__has_attribute)
#if __has_attribute(target_clones)
#define NB_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef NB_CLONES
#define NB_CLONES
#endif

#endif
