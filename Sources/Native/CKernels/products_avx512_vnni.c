// Products with dpbusd in its EVEX form (AVX512-VNNI and VL), on 256-bit registers: the packed groups have eight rows.
#include "products_internal.h"

#if defined(__x86_64__)
#define TARGET "avx2,fma,f16c,avx512f,avx512vl,avx512vnni"
#define DPBUSD _mm256_dpbusd_epi32
#include "products_x86.h"

int nb_products_avx512_vnni(nb_product_set *set) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return 0;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl")) return 0;
    return __builtin_cpu_supports("avx512vnni") ? x86_fill(set, "avx512-vnni", 0) : 0;
}
#else
int nb_products_avx512_vnni(nb_product_set *set) { return (void)set, 0; }
#endif
