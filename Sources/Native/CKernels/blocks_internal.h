// What blocks.c and blocks_k.c share: halves, and the layouts of the blocks. All fields are bytes: blocks in a file have no
// alignment.
#ifndef NESTBOX_BLOCK_LAYOUTS_H
#define NESTBOX_BLOCK_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline float bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

// Exponent and mantissa moved into place are the half times 2^-112, for subnormal halves too.
static inline float half_to_float(uint16_t h) {
    float magnitude = bits_float((uint32_t)(h & 0x7FFF) << 13) * 0x1p112f;
    uint32_t special = (h & 0x7C00) == 0x7C00 ? 0x7F800000u : 0;
    return bits_float(float_bits(magnitude) | special | (uint32_t)(h & 0x8000) << 16);
}

// To nearest, ties to even. Adding 0.5 puts the last bit of a subnormal half at the last bit of the sum.
static inline uint16_t float_to_half(float x) {
    uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000;
    bits &= 0x7FFFFFFF;
    uint32_t normal = (bits - (112u << 23) + 0xFFF + (bits >> 13 & 1)) >> 13;
    uint32_t subnormal = float_bits(bits_float(bits) + 0.5f) - float_bits(0.5f);
    uint32_t special = bits > 0x7F800000 ? 0x7E00 : 0x7C00;
    return (uint16_t)(sign | (bits >= 0x47800000 ? special : bits < 0x38800000 ? subnormal : normal));
}

static inline float load_half(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return half_to_float(h);
}

static inline void store_half(uint8_t *p, float x) {
    uint16_t h = float_to_half(x);
    memcpy(p, &h, 2);
}

// 32 elements. d is the scale and m the minimum, both halves; qs[j] holds elements j (low bits) and j + 16; bit j of qh is
// the fifth bit of element j.
typedef struct { uint8_t d[2], qs[16]; } block_q4_0;
typedef struct { uint8_t d[2], m[2], qs[16]; } block_q4_1;
typedef struct { uint8_t d[2], qh[4], qs[16]; } block_q5_0;
typedef struct { uint8_t d[2], m[2], qh[4], qs[16]; } block_q5_1;
typedef struct { uint8_t d[2]; int8_t qs[32]; } block_q8_0;
typedef struct { uint8_t d[2], qs[16]; } block_iq4_nl;

// 256 elements in groups of 16 or 32 that have a scale each (in 4, 6 or 8 bits), and a minimum each where there is `dmin`.
enum { QK = 256 };
typedef struct { uint8_t scales[16], qs[64], d[2], dmin[2]; } block_q2_K;
typedef struct { uint8_t hmask[32], qs[64], scales[12], d[2]; } block_q3_K;
typedef struct { uint8_t d[2], dmin[2], scales[12], qs[128]; } block_q4_K;
typedef struct { uint8_t d[2], dmin[2], scales[12], qh[32], qs[128]; } block_q5_K;
typedef struct { uint8_t ql[128], qh[64]; int8_t scales[16]; uint8_t d[2]; } block_q6_K;

void nb_dequantize_q2_K(const block_q2_K *b, float *y, size_t blocks);
void nb_dequantize_q3_K(const block_q3_K *b, float *y, size_t blocks);
void nb_dequantize_q4_K(const block_q4_K *b, float *y, size_t blocks);
void nb_dequantize_q5_K(const block_q5_K *b, float *y, size_t blocks);
void nb_dequantize_q6_K(const block_q6_K *b, float *y, size_t blocks);
void nb_quantize_q2_K(const float *x, block_q2_K *b, size_t blocks);
void nb_quantize_q3_K(const float *x, block_q3_K *b, size_t blocks);
void nb_quantize_q4_K(const float *x, block_q4_K *b, size_t blocks);
void nb_quantize_q5_K(const float *x, block_q5_K *b, size_t blocks);
void nb_quantize_q6_K(const float *x, block_q6_K *b, size_t blocks);

// The integer next to x within low ... high; `low` for NaN.
static inline int clamped(float x, int low, int high) {
    x = x > (float)low ? x : (float)low;
    x = x < (float)high ? x : (float)high;
    // Adding 1.5 * 2^23 leaves the rounded integer in the low bits, ties to even.
    return (int)(float_bits(x + 12582912.0f) & 0x7FFFFF) - 0x400000;
}

#endif
