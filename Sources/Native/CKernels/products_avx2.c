// Products on AVX2, FMA and F16C.
#include "products_internal.h"

#if defined(__x86_64__)
#define TARGET "avx2,fma,f16c"
#include "products_x86.h"

int nb_products_avx2(nb_product_set *set) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return 0;
    return x86_fill(set, "avx2", 1);
}
#else
int nb_products_avx2(nb_product_set *set) { return (void)set, 0; }
#endif
