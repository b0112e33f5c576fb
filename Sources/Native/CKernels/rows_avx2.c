// The row operations and attention for AVX2, FMA and F16C.
#include "rows_internal.h"

#if defined(__x86_64__)
#define TARGET "avx2,fma,f16c"
#include "attention_body.h"
#include "rows_body.h"

int nb_rows_avx2(nb_row_set *set) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return 0;
    *set = (nb_row_set){
        "avx2", rms_norm, layer_norm, gated, activate, add, softmax, argmax, rope, store_kv, attend,
    };
    return 1;
}
#else
int nb_rows_avx2(nb_row_set *set) { return (void)set, 0; }
#endif
