// Kernels of gradient boosting. See include/CKernels.h for what each promises.
#include "CKernels.h"
#include "clones.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

enum { TILE = 256, LANES = 8 };

// exp(x) for x <= 0: 2^k * exp(r), |r| <= ln(2)/2, Taylor to degree 6; relative error about 2e-7. Vectorises.
static inline float exp_negative(float x) {
    x = x < -87.0f ? -87.0f : x;
    float k = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    union { int32_t bits; float value; } power = {.bits = ((int32_t)k + 127) << 23};
    return p * power.value;
}

// log(1 + z) for 0 <= z <= 1 by 2 atanh(z / (2 + z)); error below 1e-7.
static inline float log1p_unit(float z) {
    float t = z / (2.0f + z), s = t * t;
    float p = 1.0f / 13;
    p = p * s + 1.0f / 11;
    p = p * s + 1.0f / 9;
    p = p * s + 1.0f / 7;
    p = p * s + 1.0f / 5;
    p = p * s + 1.0f / 3;
    p = p * s + 1.0f;
    return 2.0f * t * p;
}

// A fixed order of additions, whatever the register width, so that sums are reproducible.
static inline double lane_sum(const double *lanes) {
    double sum = 0;
    for (int j = 0; j < LANES; j++) sum += lanes[j];
    return sum;
}

NB_CLONES
nb_block_sums nb_gradients_log_loss(const double *score, const float *label, size_t n, float *g, float *h) {
    double sumG[LANES] = {0}, sumH[LANES] = {0}, sumL[LANES] = {0};
    float loss[TILE];
    for (size_t start = 0; start < n; start += TILE) {
        size_t m = n - start < TILE ? n - start : TILE;
        for (size_t i = 0; i < m; i++) {
            float s = (float)score[start + i], y = label[start + i];
            float z = exp_negative(s < 0 ? s : -s);
            float inverse = 1.0f / (1.0f + z);
            float p = s < 0 ? z * inverse : inverse;
            float wrong = s * (1.0f - 2.0f * y);
            g[start + i] = p - y;
            h[start + i] = z * inverse * inverse;
            loss[i] = log1p_unit(z) + (wrong > 0 ? wrong : 0);
        }
        for (size_t i = m; i < TILE; i++) loss[i] = 0;
        size_t whole = m / LANES * LANES;
        for (size_t i = 0; i < whole; i += LANES)
            for (int j = 0; j < LANES; j++) {
                float d = g[start + i + j];
                sumG[j] += (double)(d < 0 ? -d : d);
                sumH[j] += (double)h[start + i + j];
                sumL[j] += (double)loss[i + j];
            }
        for (size_t i = whole; i < m; i++) {
            float d = g[start + i];
            sumG[0] += (double)(d < 0 ? -d : d);
            sumH[0] += (double)h[start + i];
            sumL[0] += (double)loss[i];
        }
    }
    return (nb_block_sums){lane_sum(sumG), lane_sum(sumH), lane_sum(sumL)};
}

NB_CLONES
nb_block_sums nb_gradients_squared(const double *score, const double *label, size_t n, float *g, float *h) {
    double sumG[LANES] = {0}, sumL[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        g[i] = (float)(score[i] - label[i]);
        h[i] = 1.0f;
    }
    size_t whole = n / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double d = score[i + j] - label[i + j];
            sumG[j] += d < 0 ? -d : d;
            sumL[j] += d * d;
        }
    for (size_t i = whole; i < n; i++) {
        double d = score[i] - label[i];
        sumG[0] += d < 0 ? -d : d;
        sumL[0] += d * d;
    }
    return (nb_block_sums){lane_sum(sumG), (double)n, lane_sum(sumL)};
}

// 32 well-mixed bits from a row number (murmur3's finaliser); stays in 32-bit lanes so that it vectorises.
static inline uint32_t mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    x ^= x >> 16;
    return x;
}

NB_CLONES
void nb_quantize(const float *g, const float *h, size_t n, float scaleG, float scaleH, uint64_t firstRow,
                 uint64_t seed, int64_t *packed) {
    uint32_t salt = mix((uint32_t)seed ^ mix((uint32_t)(seed >> 32) + 0x9E3779B9u));
    for (size_t i = 0; i < n; i++) {
        uint32_t noise = mix((uint32_t)(firstRow + i) ^ salt);
        // Two rounding thresholds in [0, 1) from the two halves of the noise.
        float uG = (float)(int32_t)(noise & 0xFFFF) * (1.0f / 65536), uH = (float)(int32_t)(noise >> 16) * (1.0f / 65536);
        float a = g[i] * scaleG + uG, b = h[i] * scaleH + uH;
        int32_t qa = (int32_t)a;
        qa -= (float)qa > a ? 1 : 0;
        int32_t qb = (int32_t)b;
        packed[i] = (int64_t)((uint64_t)(uint32_t)qa << 32) + (int64_t)qb;
    }
}

void nb_histogram(const uint8_t *restrict bins, size_t F, const uint32_t *restrict offsets,
                  const uint32_t *restrict rows, size_t first, size_t n, const int64_t *restrict packed,
                  int64_t *restrict hist) {
    enum { AHEAD = 16 };
    for (size_t i = 0; i < n; i++) {
        size_t row;
        if (rows) {
            row = rows[i];
            size_t next = rows[i + AHEAD < n ? i + AHEAD : n - 1];
            __builtin_prefetch(bins + next * F);
            __builtin_prefetch(packed + next);
        } else {
            row = first + i;
        }
        const uint8_t *b = bins + row * F;
        int64_t value = packed[row];
#pragma clang loop unroll_count(4)
        for (size_t f = 0; f < F; f++) hist[offsets[f] + b[f]] += value;
    }
}

size_t nb_partition(const uint8_t *restrict bins, const uint8_t *restrict goesLeft, const uint32_t *restrict rows,
                    size_t n, uint32_t *restrict left, uint32_t *restrict right) {
    size_t l = 0, r = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = rows[i];
        size_t isLeft = goesLeft[bins[row]];
        // Both are written and one pointer moves: a mispredicted branch costs more than the extra store.
        left[l] = row;
        right[r] = row;
        l += isLeft;
        r += 1 - isLeft;
    }
    return l;
}

void nb_bin(const double *values, size_t n, const double *bounds, size_t count, uint8_t missing, uint8_t *bins) {
    // Padded with infinity to a power of two, so that the search has no branch.
    double padded[256];
    size_t size = 1;
    while (size < count + 1) size *= 2;
    for (size_t b = 0; b < size; b++) padded[b] = b < count ? bounds[b] : __builtin_inf();
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        const double *base = padded;
        for (size_t half = size / 2; half > 0; half /= 2) base += base[half - 1] < value ? half : 0;
        bins[i] = value == value ? (uint8_t)(base - padded) : missing;
    }
}

void nb_interleave(const uint8_t *const *columns, size_t F, size_t first, size_t n, uint8_t *out) {
    // A tile of rows stays in the first-level cache while every column is written into it.
    for (size_t start = 0; start < n; start += TILE) {
        size_t end = start + TILE < n ? start + TILE : n;
        for (size_t f = 0; f < F; f++) {
            const uint8_t *column = columns[f] + first;
            uint8_t *to = out + first * F + f;
            for (size_t i = start; i < end; i++) to[i * F] = column[i];
        }
    }
}

void nb_sort(double *values, double *scratch, size_t n) {
    uint64_t *a = (uint64_t *)(void *)values, *b = (uint64_t *)(void *)scratch;
    size_t counts[8][256];
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, a + i, 8);
        // Order-preserving map: flip all bits of negatives, the sign bit of the rest.
        bits ^= (uint64_t)((int64_t)bits >> 63) | 0x8000000000000000u;
        memcpy(a + i, &bits, 8);
        for (int d = 0; d < 8; d++) counts[d][bits >> (8 * d) & 255]++;
    }
    for (int d = 0; d < 8 && n > 0; d++) {
        uint64_t one;
        memcpy(&one, a, 8);
        if (counts[d][one >> (8 * d) & 255] == n) continue;
        size_t at = 0, position[256];
        for (int v = 0; v < 256; v++) {
            position[v] = at;
            at += counts[d][v];
        }
        for (size_t i = 0; i < n; i++) {
            uint64_t bits;
            memcpy(&bits, a + i, 8);
            memcpy(b + position[bits >> (8 * d) & 255]++, &bits, 8);
        }
        uint64_t *t = a;
        a = b;
        b = t;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, a + i, 8);
        bits ^= bits >> 63 ? 0x8000000000000000u : ~(uint64_t)0;
        memcpy((uint64_t *)(void *)values + i, &bits, 8);
    }
}
