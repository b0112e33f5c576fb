// Plain types and blocks of 32 elements. See include/blocks.h for what is promised, blocks_internal.h for the layouts.
#include "blocks_internal.h"

#include "blocks.h"
#include "clones.h"

#pragma STDC FP_CONTRACT OFF

// ---- to floats

NB_CLONES
static void from_f16(const uint8_t *p, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = load_half(p + 2 * i);
}

NB_CLONES
static void from_bf16(const uint8_t *p, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, p + 2 * i, 2);
        y[i] = bits_float((uint32_t)bits << 16);
    }
}

static void from_f64(const uint8_t *p, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, p + 8 * i, 8);
        y[i] = (float)x;
    }
}

NB_CLONES
static void from_q4_0(const block_q4_0 *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += 32) {
        float d = load_half(b->d);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)((b->qs[j] & 15) - 8);
            y[j + 16] = d * (float)((b->qs[j] >> 4) - 8);
        }
    }
}

NB_CLONES
static void from_q4_1(const block_q4_1 *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += 32) {
        float d = load_half(b->d), m = load_half(b->m);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)(b->qs[j] & 15) + m;
            y[j + 16] = d * (float)(b->qs[j] >> 4) + m;
        }
    }
}

NB_CLONES
static void from_q5_0(const block_q5_0 *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += 32) {
        float d = load_half(b->d);
        uint32_t high;
        memcpy(&high, b->qh, 4);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)((int)((b->qs[j] & 15) | (high >> j & 1) << 4) - 16);
            y[j + 16] = d * (float)((int)(b->qs[j] >> 4 | (high >> (j + 16) & 1) << 4) - 16);
        }
    }
}

NB_CLONES
static void from_q5_1(const block_q5_1 *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += 32) {
        float d = load_half(b->d), m = load_half(b->m);
        uint32_t high;
        memcpy(&high, b->qh, 4);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)((b->qs[j] & 15) | (high >> j & 1) << 4) + m;
            y[j + 16] = d * (float)(b->qs[j] >> 4 | (high >> (j + 16) & 1) << 4) + m;
        }
    }
}

NB_CLONES
static void from_q8_0(const block_q8_0 *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += 32) {
        float d = load_half(b->d);
        for (int j = 0; j < 32; j++) y[j] = (float)b->qs[j] * d;
    }
}

// The sixteen levels of IQ4_NL, closer to each other near zero.
static const int8_t levels_iq4_nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void from_iq4_nl(const block_iq4_nl *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += 32) {
        float d = load_half(b->d);
        for (int j = 0; j < 16; j++) {
            y[j] = d * (float)levels_iq4_nl[b->qs[j] & 15];
            y[j + 16] = d * (float)levels_iq4_nl[b->qs[j] >> 4];
        }
    }
}

// ---- from floats

NB_CLONES
static void to_f16(const float *x, uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) store_half(p + 2 * i, x[i]);
}

NB_CLONES
static void to_bf16(const float *x, uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = float_bits(x[i]);
        uint32_t rounded = (bits & 0x7FFFFFFF) > 0x7F800000 ? bits | 0x400000 : bits + 0x7FFF + (bits >> 16 & 1);
        uint16_t top = (uint16_t)(rounded >> 16);
        memcpy(p + 2 * i, &top, 2);
    }
}

// The element with the largest magnitude, the first of equals.
static inline float extreme(const float *x) {
    float most = 0, value = 0;
    for (int j = 0; j < 32; j++) {
        float a = x[j] < 0 ? -x[j] : x[j];
        if (a > most) most = a, value = x[j];
    }
    return value;
}

static inline void range(const float *x, float *low, float *high) {
    *low = *high = x[0];
    for (int j = 1; j < 32; j++) {
        *low = x[j] < *low ? x[j] : *low;
        *high = x[j] > *high ? x[j] : *high;
    }
}

// x, which is above -1, without its fraction, at most `high`.
static inline int truncated(float x, int high) {
    x = x > 0 ? x : 0;
    return (int)(x < (float)high ? x : (float)high);
}

NB_CLONES
static void to_q4_0(const float *x, block_q4_0 *b, size_t blocks) {
    for (; blocks--; b++, x += 32) {
        float d = extreme(x) / -8, inverse = d == 0 ? 0 : 1 / d;
        store_half(b->d, d);
        for (int j = 0; j < 16; j++)
            b->qs[j] = (uint8_t)(truncated(x[j] * inverse + 8.5f, 15) | truncated(x[j + 16] * inverse + 8.5f, 15) << 4);
    }
}

NB_CLONES
static void to_q4_1(const float *x, block_q4_1 *b, size_t blocks) {
    for (; blocks--; b++, x += 32) {
        float low, high;
        range(x, &low, &high);
        float d = (high - low) / 15, inverse = d == 0 ? 0 : 1 / d;
        store_half(b->d, d);
        store_half(b->m, low);
        for (int j = 0; j < 16; j++)
            b->qs[j] = (uint8_t)(truncated((x[j] - low) * inverse + 0.5f, 15) |
                                 truncated((x[j + 16] - low) * inverse + 0.5f, 15) << 4);
    }
}

static inline void pack5(const int *q, uint8_t *qh, uint8_t *qs) {
    uint32_t high = 0;
    for (int j = 0; j < 16; j++) {
        qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
        high |= (uint32_t)(q[j] >> 4) << j | (uint32_t)(q[j + 16] >> 4) << (j + 16);
    }
    memcpy(qh, &high, 4);
}

NB_CLONES
static void to_q5_0(const float *x, block_q5_0 *b, size_t blocks) {
    for (; blocks--; b++, x += 32) {
        float d = extreme(x) / -16, inverse = d == 0 ? 0 : 1 / d;
        store_half(b->d, d);
        int q[32];
        for (int j = 0; j < 32; j++) q[j] = truncated(x[j] * inverse + 16.5f, 31);
        pack5(q, b->qh, b->qs);
    }
}

NB_CLONES
static void to_q5_1(const float *x, block_q5_1 *b, size_t blocks) {
    for (; blocks--; b++, x += 32) {
        float low, high;
        range(x, &low, &high);
        float d = (high - low) / 31, inverse = d == 0 ? 0 : 1 / d;
        store_half(b->d, d);
        store_half(b->m, low);
        int q[32];
        for (int j = 0; j < 32; j++) q[j] = truncated((x[j] - low) * inverse + 0.5f, 31);
        pack5(q, b->qh, b->qs);
    }
}

NB_CLONES
static void to_q8_0(const float *x, block_q8_0 *b, size_t blocks) {
    for (; blocks--; b++, x += 32) {
        float most = 0;
        for (int j = 0; j < 32; j++) {
            float a = x[j] < 0 ? -x[j] : x[j];
            most = a > most ? a : most;
        }
        float d = most / 127, inverse = d == 0 ? 0 : 1 / d;
        store_half(b->d, d);
        for (int j = 0; j < 32; j++) {
            float scaled = x[j] * inverse, a = scaled < 0 ? -scaled : scaled;
            // Halves away from zero; a + 0.5 itself would round 0.49999997 up.
            int whole = truncated(a, 127);
            whole += a - (float)whole >= 0.5f && whole < 127 ? 1 : 0;
            b->qs[j] = (int8_t)(scaled < 0 ? -whole : whole);
        }
    }
}

static inline int nearest_level(float x) {
    int index = 0;
    for (int k = 0; k < 15; k++) index += x >= 0.5f * (float)(levels_iq4_nl[k] + levels_iq4_nl[k + 1]) ? 1 : 0;
    return index;
}

// Tries sixteen scales that bring the extreme element to the highest or near the lowest level, and takes the least-squares
// scale for the levels that the best of them gives.
NB_CLONES
static void to_iq4_nl(const float *x, block_iq4_nl *b, size_t blocks) {
    for (; blocks--; b++, x += 32) {
        float most = extreme(x), d = 0, best = 0;
        for (int step = -8; step <= 7 && most != 0; step++) {
            float inverse = (float)(step < -7 ? -levels_iq4_nl[0] : levels_iq4_nl[0] + step) / most, xq = 0, qq = 0;
            for (int j = 0; j < 32; j++) {
                float q = levels_iq4_nl[nearest_level(x[j] * inverse)], weight = x[j] * x[j];
                xq += weight * q * x[j];
                qq += weight * q * q;
            }
            if (qq > 0 && xq * xq > best * qq) d = xq / qq, best = d * xq;
        }
        store_half(b->d, d);
        float inverse = d == 0 ? 0 : 1 / d;
        for (int j = 0; j < 16; j++)
            b->qs[j] = (uint8_t)(nearest_level(x[j] * inverse) | nearest_level(x[j + 16] * inverse) << 4);
    }
}

// ---- by type

int nb_dequantize_row(uint32_t type, const void *src, float *dst, size_t n) {
    switch (type) {
    case 0: memcpy(dst, src, n * sizeof(float)); return 1;
    case 1: from_f16(src, dst, n); return 1;
    case 2: from_q4_0(src, dst, n / 32); return 1;
    case 3: from_q4_1(src, dst, n / 32); return 1;
    case 6: from_q5_0(src, dst, n / 32); return 1;
    case 7: from_q5_1(src, dst, n / 32); return 1;
    case 8: from_q8_0(src, dst, n / 32); return 1;
    case 10: nb_dequantize_q2_K(src, dst, n / QK); return 1;
    case 11: nb_dequantize_q3_K(src, dst, n / QK); return 1;
    case 12: nb_dequantize_q4_K(src, dst, n / QK); return 1;
    case 13: nb_dequantize_q5_K(src, dst, n / QK); return 1;
    case 14: nb_dequantize_q6_K(src, dst, n / QK); return 1;
    case 20: from_iq4_nl(src, dst, n / 32); return 1;
    case 28: from_f64(src, dst, n); return 1;
    case 30: from_bf16(src, dst, n); return 1;
    default: return 0;
    }
}

int nb_quantize_row(uint32_t type, const float *src, void *dst, size_t n) {
    switch (type) {
    case 0: memcpy(dst, src, n * sizeof(float)); return 1;
    case 1: to_f16(src, dst, n); return 1;
    case 2: to_q4_0(src, dst, n / 32); return 1;
    case 3: to_q4_1(src, dst, n / 32); return 1;
    case 6: to_q5_0(src, dst, n / 32); return 1;
    case 7: to_q5_1(src, dst, n / 32); return 1;
    case 8: to_q8_0(src, dst, n / 32); return 1;
    case 10: nb_quantize_q2_K(src, dst, n / QK); return 1;
    case 11: nb_quantize_q3_K(src, dst, n / QK); return 1;
    case 12: nb_quantize_q4_K(src, dst, n / QK); return 1;
    case 13: nb_quantize_q5_K(src, dst, n / QK); return 1;
    case 14: nb_quantize_q6_K(src, dst, n / QK); return 1;
    case 20: to_iq4_nl(src, dst, n / 32); return 1;
    case 30: to_bf16(src, dst, n); return 1;
    default: return 0;
    }
}

NB_CLONES
int nb_all_finite(const float *x, size_t n) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) bad |= (float_bits(x[i]) & 0x7F800000) == 0x7F800000 ? 1 : 0;
    return bad == 0;
}
