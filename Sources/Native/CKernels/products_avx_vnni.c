// Products with dpbusd in its VEX form (AVX-VNNI), which multiplies four columns of eight rows into int32 at once.
#include "products_internal.h"

#if defined(__x86_64__)
#define TARGET "avx2,fma,f16c,avxvnni"
#define DPBUSD _mm256_dpbusd_avx_epi32
#include "products_x86.h"

int nb_products_avx_vnni(nb_product_set *set) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return 0;
    return __builtin_cpu_supports("avxvnni") ? x86_fill(set, "avx-vnni", 0) : 0;
}
#else
int nb_products_avx_vnni(nb_product_set *set) { return (void)set, 0; }
#endif
