// Blocks of 256 elements (the K types of GGUF). See include/blocks.h for what is promised, blocks_internal.h for the layouts.
//
// Quantizing finds a scale (and a minimum) for each group of 16 or 32, rounds these to their own few bits, and then takes
// the nearest level for each element. The fits are those of llama.cpp: try scales near the one that just covers the
// group, solve for the least squares with the levels that it gives, keep the best.
#include "blocks_internal.h"

#include <math.h>

#include "clones.h"

#pragma STDC FP_CONTRACT OFF

// ---- to floats

NB_CLONES
void nb_dequantize_q2_K(const block_q2_K *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += QK) {
        float d = load_half(b->d), dmin = load_half(b->dmin);
        for (int g = 0; g < 16; g++) {
            // Four bits of scale, four of minimum; 32 bytes of qs hold 128 elements, two bits at a time.
            float scale = d * (float)(b->scales[g] & 15), min = dmin * (float)(b->scales[g] >> 4);
            const uint8_t *q = b->qs + 32 * (g / 8) + 16 * (g % 2);
            int shift = g / 2 % 4 * 2;
            for (int j = 0; j < 16; j++) y[16 * g + j] = scale * (float)(q[j] >> shift & 3) - min;
        }
    }
}

// The six-bit scale of group g: four bits lie in the first eight bytes, two in the last four.
static inline int scale_q3_K(const uint8_t *scales, int g) {
    int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
    return (low | (scales[8 + g % 4] >> (2 * (g / 4)) & 3) << 4) - 32;
}

NB_CLONES
void nb_dequantize_q3_K(const block_q3_K *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += QK) {
        float d = load_half(b->d);
        for (int g = 0; g < 16; g++) {
            float scale = d * (float)scale_q3_K(b->scales, g);
            const uint8_t *q = b->qs + 32 * (g / 8) + 16 * (g % 2), *mask = b->hmask + 16 * (g % 2);
            int shift = g / 2 % 4 * 2, bit = g / 2;
            // A clear bit in the mask subtracts four.
            for (int j = 0; j < 16; j++)
                y[16 * g + j] = scale * (float)((q[j] >> shift & 3) - (~mask[j] >> bit & 1) * 4);
        }
    }
}

// Eight six-bit scales and minima in twelve bytes: the first four whole, the others with two bits beside those.
static inline void scale_min_q4_K(const uint8_t *s, int g, int *scale, int *min) {
    *scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
    *min = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
}

NB_CLONES
void nb_dequantize_q4_K(const block_q4_K *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += QK) {
        float d = load_half(b->d), dmin = load_half(b->dmin);
        for (int g = 0; g < 8; g++) {
            int s, m;
            scale_min_q4_K(b->scales, g, &s, &m);
            float scale = d * (float)s, min = dmin * (float)m;
            const uint8_t *q = b->qs + 32 * (g / 2);
            int shift = g % 2 * 4;
            for (int j = 0; j < 32; j++) y[32 * g + j] = scale * (float)(q[j] >> shift & 15) - min;
        }
    }
}

NB_CLONES
void nb_dequantize_q5_K(const block_q5_K *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += QK) {
        float d = load_half(b->d), dmin = load_half(b->dmin);
        for (int g = 0; g < 8; g++) {
            int s, m;
            scale_min_q4_K(b->scales, g, &s, &m);
            float scale = d * (float)s, min = dmin * (float)m;
            const uint8_t *q = b->qs + 32 * (g / 2);
            int shift = g % 2 * 4;
            for (int j = 0; j < 32; j++)
                y[32 * g + j] = scale * (float)((q[j] >> shift & 15) | (b->qh[j] >> g & 1) << 4) - min;
        }
    }
}

NB_CLONES
void nb_dequantize_q6_K(const block_q6_K *b, float *y, size_t blocks) {
    for (; blocks--; b++, y += QK) {
        float d = load_half(b->d);
        for (int g = 0; g < 16; g++) {
            float scale = d * (float)b->scales[g];
            // In each half of 128: 64 bytes hold the low four bits of elements i and i + 64, 32 bytes the high two of
            // i, i + 32, i + 64 and i + 96.
            int half = g / 8, part = g / 2 % 4, odd = 16 * (g % 2);
            const uint8_t *low = b->ql + 64 * half + 32 * (part % 2) + odd, *high = b->qh + 32 * half + odd;
            int lowShift = part / 2 * 4, highShift = part * 2;
            for (int j = 0; j < 16; j++)
                y[16 * g + j] = scale * (float)(((low[j] >> lowShift & 15) | (high[j] >> highShift & 3) << 4) - 32);
        }
    }
}

// ---- fits

// Sums in eight lanes: a fixed order of additions for every register width.
enum { LANES = 8 };

static inline float lanes(const float *sum) {
    float total = 0;
    for (int j = 0; j < LANES; j++) total += sum[j];
    return total;
}

// The element with the largest magnitude, the first of equals.
static inline float extreme_of_16(const float *x) {
    float most = 0, value = 0;
    for (int i = 0; i < 16; i++)
        if (fabsf(x[i]) > most) most = fabsf(x[i]), value = x[i];
    return value;
}

// The scale d for levels -32 ... 31 with the least squared error of d * level, elements weighted by their squares: 19 scales
// that bring the largest element near the lowest level, of equals the plain one.
static inline float fit_32(const float *x) {
    float extreme = extreme_of_16(x);
    if (fabsf(extreme) < 1e-15f) return 0;
    float scale = 0, best = 0;
    for (int k = 0; k < 19; k++) {
        int step = k == 0 ? 0 : k <= 9 ? k - 10 : k - 9;
        float inverse = -(32 + 0.1f * (float)step) / extreme, xq[LANES] = {0}, qq[LANES] = {0};
        for (int i = 0; i < 16; i += LANES)
            for (int j = 0; j < LANES; j++) {
                float v = x[i + j], q = (float)clamped(inverse * v, -32, 31), weighted = v * v * q;
                xq[j] += weighted * v;
                qq[j] += weighted * q;
            }
        float sumXQ = lanes(xq), sumQQ = lanes(qq);
        if (sumQQ > 0 && sumXQ * sumXQ > best * sumQQ) scale = sumXQ / sumQQ, best = scale * sumXQ;
    }
    return scale;
}

// The same for levels -4 ... 3, too few for a search over scales: moves one element at a time to the level that lessens
// the error, until none does (at most five times over the group).
static inline float fit_4(const float *x) {
    float extreme = extreme_of_16(x), xq = 0, qq = 0;
    if (fabsf(extreme) < 1e-15f) return 0;
    int levels[16], moved = 1;
    for (int i = 0; i < 16; i++) {
        levels[i] = clamped(-4 / extreme * x[i], -4, 3);
        float q = (float)levels[i], weight = x[i] * x[i];
        xq += weight * x[i] * q;
        qq += weight * q * q;
    }
    for (int round = 0; round < 5 && moved; round++) {
        moved = 0;
        for (int i = 0; i < 16; i++) {
            float q = (float)levels[i], weight = x[i] * x[i];
            float otherXQ = xq - weight * x[i] * q, otherQQ = qq - weight * q * q;
            if (!(otherXQ > 0)) continue;
            int level = clamped(x[i] * otherQQ / otherXQ, -4, 3);
            float r = (float)level, newXQ = otherXQ + weight * x[i] * r, newQQ = otherQQ + weight * r * r;
            if (level == levels[i] || !(newQQ > 0) || !(newXQ * newXQ * qq > xq * xq * newQQ)) continue;
            levels[i] = level, xq = newXQ, qq = newQQ, moved = 1;
        }
    }
    return qq > 0 ? xq / qq : 0;
}

typedef struct { float scale, min; } affine;

// Scale and minimum (at least 0, to be subtracted) for levels 0 ... top with the least weighted error of
// scale * level - min: squared, or absolute. Tries the inverse scales (first + 0.1 k + top) / range for k = 0 ... steps,
// each from the best minimum so far.
static inline affine fit_affine(const float *x, const float *w, int n, int top, float first, int steps, int absolute) {
    float low = x[0], high = x[0], sumW = 0, sumX = 0;
    for (int i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        sumW += w[i];
        sumX += w[i] * x[i];
    }
    low = low > 0 ? 0 : low;
    if (!(high > low)) return (affine){0, -low};
    affine best = {(high - low) / (float)top, -low};
    float bestError = INFINITY;
    for (int k = -1; k <= steps; k++) {
        // k = -1 measures the plain scale that covers the range, as it is.
        float inverse = k < 0 ? (float)top / (high - low) : (first + 0.1f * (float)k + (float)top) / (high - low);
        float q[32], l[LANES] = {0}, ll[LANES] = {0}, xl[LANES] = {0};
        for (int i = 0; i < n; i += LANES)
            for (int j = 0; j < LANES; j++) {
                float level = (float)clamped(inverse * (x[i + j] - low), 0, top), weighted = w[i + j] * level;
                q[i + j] = level;
                l[j] += weighted;
                ll[j] += weighted * level;
                xl[j] += weighted * x[i + j];
            }
        float sumL = lanes(l), sumLL = lanes(ll), sumXL = lanes(xl);
        float determinant = sumW * sumLL - sumL * sumL;
        affine fit = best;
        if (k >= 0) {
            if (!(determinant > 0)) continue;
            fit = (affine){(sumW * sumXL - sumX * sumL) / determinant, (sumL * sumXL - sumLL * sumX) / determinant};
            if (fit.min < 0) fit = (affine){sumXL / sumLL, 0};
        }
        float errors[LANES] = {0};
        for (int i = 0; i < n; i += LANES)
            for (int j = 0; j < LANES; j++) {
                float difference = fit.scale * q[i + j] - fit.min - x[i + j];
                errors[j] += w[i + j] * (absolute ? fabsf(difference) : difference * difference);
            }
        float error = lanes(errors);
        if (error < bestError) bestError = error, best = fit, low = -fit.min;
    }
    return best;
}

static inline float largest(const float *x, int n) {
    float most = 0;
    for (int i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

// ---- from floats

// A scale of zero gives elements of zero whatever their level is; `clamped` takes the quotient by it, NaN included.

// Two bits each of elements i, i + 32, i + 64 and i + 96 in byte i, for both halves of 128.
static inline void pack_pairs(const uint8_t *levels, int shift, uint8_t *out) {
    for (int half = 0; half < 2; half++, levels += 128)
        for (int i = 0; i < 32; i++) {
            int byte = 0;
            for (int part = 0; part < 4; part++) byte |= (levels[32 * part + i] >> shift & 3) << (2 * part);
            *out++ = (uint8_t)byte;
        }
}

NB_CLONES
void nb_quantize_q2_K(const float *x, block_q2_K *b, size_t blocks) {
    for (; blocks--; b++, x += QK) {
        float scales[16], mins[16];
        for (int g = 0; g < 16; g++) {
            float w[16];
            for (int j = 0; j < 16; j++) w[j] = fabsf(x[16 * g + j]);
            affine fit = fit_affine(x + 16 * g, w, 16, 3, -0.5f, 15, 1);
            scales[g] = fit.scale, mins[g] = fit.min;
        }
        float mostScale = largest(scales, 16), mostMin = largest(mins, 16);
        float inverseScale = mostScale > 0 ? 15 / mostScale : 0, inverseMin = mostMin > 0 ? 15 / mostMin : 0;
        store_half(b->d, mostScale / 15);
        store_half(b->dmin, mostMin / 15);
        uint8_t levels[QK];
        for (int g = 0; g < 16; g++) {
            int s = clamped(inverseScale * scales[g], 0, 15), m = clamped(inverseMin * mins[g], 0, 15);
            b->scales[g] = (uint8_t)(s | m << 4);
            float scale = load_half(b->d) * (float)s, min = load_half(b->dmin) * (float)m;
            for (int j = 0; j < 16; j++) levels[16 * g + j] = (uint8_t)clamped((x[16 * g + j] + min) / scale, 0, 3);
        }
        pack_pairs(levels, 0, b->qs);
    }
}

NB_CLONES
void nb_quantize_q3_K(const float *x, block_q3_K *b, size_t blocks) {
    for (; blocks--; b++, x += QK) {
        float scales[16];
        for (int g = 0; g < 16; g++) scales[g] = fit_4(x + 16 * g);
        float most = extreme_of_16(scales), inverse = most != 0 ? -32 / most : 0;
        store_half(b->d, most != 0 ? 1 / inverse : 0);
        memset(b->scales, 0, sizeof b->scales);
        memset(b->hmask, 0, sizeof b->hmask);
        uint8_t levels[QK];
        for (int g = 0; g < 16; g++) {
            int s = clamped(inverse * scales[g], -32, 31), stored = s + 32;
            b->scales[g % 8] |= (uint8_t)((stored & 15) << (g / 8 * 4));
            b->scales[8 + g % 4] |= (uint8_t)((stored >> 4) << (g / 4 * 2));
            float scale = load_half(b->d) * (float)s;
            for (int j = 0; j < 16; j++) {
                int level = clamped(x[16 * g + j] / scale, -4, 3) + 4;
                levels[16 * g + j] = (uint8_t)(level & 3);
                b->hmask[16 * (g % 2) + j] |= (uint8_t)((level >> 2) << (g / 2));
            }
        }
        pack_pairs(levels, 0, b->qs);
    }
}

// Scales and minima of eight groups in twelve bytes, and the level of every element; for Q4_K and Q5_K.
static inline void quantize_affine(const float *x, int top, float first, int steps, uint8_t *d, uint8_t *dmin,
                                   uint8_t *packed, uint8_t *levels) {
    float scales[8], mins[8];
    for (int g = 0; g < 8; g++) {
        float w[32], squares[LANES] = {0};
        for (int i = 0; i < 32; i += LANES)
            for (int j = 0; j < LANES; j++) squares[j] += x[32 * g + i + j] * x[32 * g + i + j];
        float typical = sqrtf(lanes(squares) / 32);
        for (int j = 0; j < 32; j++) w[j] = typical + fabsf(x[32 * g + j]);
        affine fit = fit_affine(x + 32 * g, w, 32, top, first, steps, 0);
        scales[g] = fit.scale, mins[g] = fit.min;
    }
    float mostScale = largest(scales, 8), mostMin = largest(mins, 8);
    float inverseScale = mostScale > 0 ? 63 / mostScale : 0, inverseMin = mostMin > 0 ? 63 / mostMin : 0;
    store_half(d, mostScale / 63);
    store_half(dmin, mostMin / 63);
    memset(packed, 0, 12);
    for (int g = 0; g < 8; g++) {
        int s = clamped(inverseScale * scales[g], 0, 63), m = clamped(inverseMin * mins[g], 0, 63);
        if (g < 4) {
            packed[g] |= (uint8_t)s, packed[g + 4] |= (uint8_t)m;
        } else {
            packed[g + 4] = (uint8_t)((s & 15) | (m & 15) << 4);
            packed[g - 4] |= (uint8_t)(s >> 4 << 6), packed[g] |= (uint8_t)(m >> 4 << 6);
        }
        float scale = load_half(d) * (float)s, min = load_half(dmin) * (float)m;
        for (int j = 0; j < 32; j++) levels[32 * g + j] = (uint8_t)clamped((x[32 * g + j] + min) / scale, 0, top);
    }
}

// The low four bits of elements i and i + 32 in byte i, for each 64.
static inline void pack_nibbles(const uint8_t *levels, uint8_t *out) {
    for (int part = 0; part < 4; part++, levels += 64, out += 32)
        for (int i = 0; i < 32; i++) out[i] = (uint8_t)((levels[i] & 15) | (levels[i + 32] & 15) << 4);
}

NB_CLONES
void nb_quantize_q4_K(const float *x, block_q4_K *b, size_t blocks) {
    for (; blocks--; b++, x += QK) {
        uint8_t levels[QK];
        quantize_affine(x, 15, -1.0f, 20, b->d, b->dmin, b->scales, levels);
        pack_nibbles(levels, b->qs);
    }
}

NB_CLONES
void nb_quantize_q5_K(const float *x, block_q5_K *b, size_t blocks) {
    for (; blocks--; b++, x += QK) {
        uint8_t levels[QK];
        quantize_affine(x, 31, -0.5f, 15, b->d, b->dmin, b->scales, levels);
        pack_nibbles(levels, b->qs);
        for (int j = 0; j < 32; j++) {
            int byte = 0;
            for (int g = 0; g < 8; g++) byte |= (levels[32 * g + j] >> 4) << g;
            b->qh[j] = (uint8_t)byte;
        }
    }
}

NB_CLONES
void nb_quantize_q6_K(const float *x, block_q6_K *b, size_t blocks) {
    for (; blocks--; b++, x += QK) {
        float scales[16];
        for (int g = 0; g < 16; g++) scales[g] = fit_32(x + 16 * g);
        float most = extreme_of_16(scales), inverse = fabsf(most) >= 1e-15f ? -128 / most : 0;
        store_half(b->d, inverse != 0 ? 1 / inverse : 0);
        uint8_t levels[QK];
        for (int g = 0; g < 16; g++) {
            b->scales[g] = (int8_t)clamped(inverse * scales[g], -128, 127);
            float scale = load_half(b->d) * (float)b->scales[g];
            for (int j = 0; j < 16; j++)
                levels[16 * g + j] = (uint8_t)(clamped(x[16 * g + j] / scale, -32, 31) + 32);
        }
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < 64; i++)
                b->ql[64 * half + i] =
                    (uint8_t)((levels[128 * half + i] & 15) | (levels[128 * half + 64 + i] & 15) << 4);
        pack_pairs(levels, 4, b->qh);
    }
}
