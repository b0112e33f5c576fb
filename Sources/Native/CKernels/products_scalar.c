// The reference of the products: plain C, one block after the other. Every other version gives the same bits.
#include "products_internal.h"

#pragma STDC FP_CONTRACT OFF

static void quantize(const float *x, size_t blocks, size_t step, int8_t *q, int16_t *wide, nb_block_meta *meta) {
    for (size_t b = 0; b < blocks; b++, x += BLOCK, q += step, meta += step / BLOCK) {
        float greatest = 0;
        for (int k = 0; k < BLOCK; k++) greatest = fabsf(x[k]) > greatest ? fabsf(x[k]) : greatest;
        float d = greatest / 127.0f, inverse = greatest > 1e-30f ? 127.0f / greatest : 0.0f;
        if (greatest <= 1e-30f) d = 0;
        int sums[2] = {0, 0};
        for (int k = 0; k < BLOCK; k++) {
            float scaled = x[k] * inverse;
            // NaN, and infinity times zero, become -128 as the conversion of x86 has it.
            int value = fabsf(scaled) < 127.5f ? (int)lrintf(scaled) : -128;
            q[k] = (int8_t)value;
            sums[k / 16] += value;
        }
        *meta = (nb_block_meta){d, d * (float)(sums[0] + sums[1]), d * (float)sums[0], d * (float)sums[1]};
        if (wide) {
            for (int k = 0; k < BLOCK; k++) wide[k] = q[k];
            wide += step;
        }
    }
}

static inline void scalar_blocks(uint32_t dtype, const uint8_t *group, size_t begin, size_t end,
                                 const nb_activations *tile, int tokens, float *acc) {
    nb_layout layout = nb_layout_of(dtype);
    nb_plain_block w;
    for (size_t b = begin; b < end; b++) {
        nb_expand_block(dtype, group, b, &w);
        for (int t = 0; t < tokens; t++) {
            const int8_t *q = tile->q + (b * (size_t)tokens + (size_t)t) * BLOCK;
            const nb_block_meta *meta = tile->meta + b * (size_t)tokens + (size_t)t;
            for (int r = 0; r < GROUP; r++) {
                int sums[2] = {0, 0};
                for (int k = 0; k < BLOCK; k++) sums[k / 16] += w.value[r][k] * q[k];
                float *a = acc + t * GROUP + r;
                if (layout.halves == 1) {
                    *a = fmaf((float)(sums[0] + sums[1]), w.scale[0][r] * meta->d, *a);
                    if (layout.hasMin) *a = fmaf(w.min[0][r], meta->sum, *a);
                } else {
                    for (int h = 0; h < 2; h++) {
                        *a = fmaf((float)sums[h], w.scale[h][r] * meta->d, *a);
                        *a = fmaf(w.min[h][r], h ? meta->high : meta->low, *a);
                    }
                }
            }
        }
    }
}

#define SCALAR(name, dtype)                                                                                        \
    static void name(const uint8_t *group, size_t begin, size_t end, const nb_activations *tile, int tokens,      \
                     float *acc) {                                                                                 \
        scalar_blocks(dtype, group, begin, end, tile, tokens, acc);                                                \
    }
SCALAR(q4_0, NB_Q4_0)
SCALAR(q4_1, NB_Q4_1)
SCALAR(q5_0, NB_Q5_0)
SCALAR(q5_1, NB_Q5_1)
SCALAR(q8_0, NB_Q8_0)
SCALAR(iq4_nl, NB_IQ4_NL)
SCALAR(q2_K, NB_Q2_K)
SCALAR(q3_K, NB_Q3_K)
SCALAR(q4_K, NB_Q4_K)
SCALAR(q5_K, NB_Q5_K)
SCALAR(q6_K, NB_Q6_K)

static inline void scalar_plain(uint32_t dtype, const uint8_t *group, size_t groupBytes, int groups, size_t begin,
                                size_t end, const float *x, size_t xStride, int tokens, float *acc) {
    for (int t = 0; t < tokens; t++)
        for (int j = 0; j < groups; j++)
            for (size_t k = begin; k < end; k++)
                for (int r = 0; r < GROUP; r++) {
                    const uint8_t *p = group + (size_t)j * groupBytes;
                    size_t at = k * GROUP + (size_t)r;
                    float *a = acc + (t * groups + j) * GROUP + r, w;
                    uint16_t h = 0;
                    if (dtype == NB_F32) memcpy(&w, p + at * 4, 4);
                    else memcpy(&h, p + at * 2, 2);
                    if (dtype == NB_F16) w = nb_half_to_float(h);
                    if (dtype == NB_BF16) w = nb_bfloat_to_float(h);
                    *a = fmaf(w, x[(size_t)t * xStride + k], *a);
                }
}

#define SCALAR_PLAIN(name, dtype)                                                                                  \
    static void name(const uint8_t *group, size_t groupBytes, int groups, size_t begin, size_t end, const float *x, \
                     size_t xStride, int tokens, float *acc) {                                                     \
        scalar_plain(dtype, group, groupBytes, groups, begin, end, x, xStride, tokens, acc);                       \
    }
SCALAR_PLAIN(f32, NB_F32)
SCALAR_PLAIN(f16, NB_F16)
SCALAR_PLAIN(bf16, NB_BF16)

const nb_product_set nb_products_scalar = {
    .name = "scalar",
    .block = {[NB_Q4_0] = q4_0, [NB_Q4_1] = q4_1, [NB_Q5_0] = q5_0, [NB_Q5_1] = q5_1, [NB_Q8_0] = q8_0,
              [NB_IQ4_NL] = iq4_nl, [NB_Q2_K] = q2_K, [NB_Q3_K] = q3_K, [NB_Q4_K] = q4_K, [NB_Q5_K] = q5_K,
              [NB_Q6_K] = q6_K},
    .quantize = quantize,
    .plain = {[NB_F32] = f32, [NB_F16] = f16, [NB_BF16] = bf16},
    .wide = 0,
};
