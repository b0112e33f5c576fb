// Products with the dot product of NEON: blocks become bytes by the scalar code, four columns of four rows multiply at once.
#include "products_internal.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>

#pragma STDC FP_CONTRACT OFF

static inline int32x4_t neon_dot(const nb_plain_block *w, int firstRow, const int8_t *q, int from) {
    int8x16_t x = vld1q_s8(q + from);
    int32x4_t sums[4];
    for (int r = 0; r < 4; r++) sums[r] = vdotq_s32(vdupq_n_s32(0), vld1q_s8(w->value[firstRow + r] + from), x);
    return vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
}

static inline void neon_blocks(uint32_t dtype, const uint8_t *group, size_t begin, size_t end,
                               const nb_activations *tile, int tokens, float *acc) {
    nb_layout layout = nb_layout_of(dtype);
    nb_plain_block w;
    for (size_t b = begin; b < end; b++) {
        nb_expand_block(dtype, group, b, &w);
        for (int t = 0; t < tokens; t++) {
            const int8_t *q = tile->q + (b * (size_t)tokens + (size_t)t) * BLOCK;
            const nb_block_meta *meta = tile->meta + b * (size_t)tokens + (size_t)t;
            for (int r = 0; r < GROUP; r += 4) {
                float *at = acc + t * GROUP + r;
                float32x4_t a = vld1q_f32(at);
                int32x4_t low = neon_dot(&w, r, q, 0), high = neon_dot(&w, r, q, 16);
                if (layout.halves == 1) {
                    a = vfmaq_f32(a, vcvtq_f32_s32(vaddq_s32(low, high)), vmulq_n_f32(vld1q_f32(w.scale[0] + r), meta->d));
                    if (layout.hasMin) a = vfmaq_n_f32(a, vld1q_f32(w.min[0] + r), meta->sum);
                } else {
                    a = vfmaq_f32(a, vcvtq_f32_s32(low), vmulq_n_f32(vld1q_f32(w.scale[0] + r), meta->d));
                    a = vfmaq_n_f32(a, vld1q_f32(w.min[0] + r), meta->low);
                    a = vfmaq_f32(a, vcvtq_f32_s32(high), vmulq_n_f32(vld1q_f32(w.scale[1] + r), meta->d));
                    a = vfmaq_n_f32(a, vld1q_f32(w.min[1] + r), meta->high);
                }
                vst1q_f32(at, a);
            }
        }
    }
}

#define NEON(name, dtype)                                                                                          \
    static void name(const uint8_t *group, size_t begin, size_t end, const nb_activations *tile, int tokens,      \
                     float *acc) {                                                                                 \
        neon_blocks(dtype, group, begin, end, tile, tokens, acc);                                                  \
    }
NEON(q4_0, NB_Q4_0)
NEON(q4_1, NB_Q4_1)
NEON(q5_0, NB_Q5_0)
NEON(q5_1, NB_Q5_1)
NEON(q8_0, NB_Q8_0)
NEON(iq4_nl, NB_IQ4_NL)
NEON(q2_K, NB_Q2_K)
NEON(q3_K, NB_Q3_K)
NEON(q4_K, NB_Q4_K)
NEON(q5_K, NB_Q5_K)
NEON(q6_K, NB_Q6_K)

int nb_products_neon(nb_product_set *set) {
    *set = nb_products_scalar;
    set->name = "neon-dotprod";
    nb_block_kernel kernels[32] = {[NB_Q4_0] = q4_0, [NB_Q4_1] = q4_1, [NB_Q5_0] = q5_0, [NB_Q5_1] = q5_1,
                                   [NB_Q8_0] = q8_0, [NB_IQ4_NL] = iq4_nl, [NB_Q2_K] = q2_K, [NB_Q3_K] = q3_K,
                                   [NB_Q4_K] = q4_K, [NB_Q5_K] = q5_K, [NB_Q6_K] = q6_K};
    memcpy(set->block, kernels, sizeof kernels);
    return 1;
}
#else
int nb_products_neon(nb_product_set *set) { return (void)set, 0; }
#endif
