// Eight floats at once, in the compiler's own vector types: the same source, and the same bits, for every processor.
#ifndef NESTBOX_VECTOR_H
#define NESTBOX_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "packed_internal.h"

// Every function that takes or gives vectors is inlined: there is no ABI to change.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v8 __attribute__((vector_size(32)));
typedef int32_t i8x __attribute__((vector_size(32)));

#ifdef TARGET
#define VINLINE static inline __attribute__((always_inline, target(TARGET)))
#define VFUNCTION static __attribute__((target(TARGET)))
#else
#define VINLINE static inline __attribute__((always_inline))
#define VFUNCTION static
#endif

VINLINE v8 v8_load(const float *p) {
    v8 v;
    memcpy(&v, p, sizeof v);
    return v;
}
VINLINE void v8_store(float *p, v8 v) { memcpy(p, &v, sizeof v); }
VINLINE v8 v8_all(float x) { return (v8){x, x, x, x, x, x, x, x}; }
VINLINE v8 v8_fma(v8 a, v8 b, v8 c) { return __builtin_elementwise_fma(a, b, c); }
VINLINE v8 v8_choose(i8x mask, v8 a, v8 b) { return (v8)((mask & (i8x)a) | (~mask & (i8x)b)); }
VINLINE v8 v8_max(v8 a, v8 b) { return v8_choose(a > b, a, b); }
VINLINE v8 v8_min(v8 a, v8 b) { return v8_choose(a < b, a, b); }
VINLINE float v8_sum(v8 v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }
VINLINE float v8_greatest(v8 v) {
    float m = v[0];
    for (int i = 1; i < 8; i++) m = v[i] > m ? v[i] : m;
    return m;
}

VINLINE v8 v8_load_halves(const uint16_t *p) {
#if defined(TARGET) || defined(__aarch64__)
    typedef _Float16 h8 __attribute__((vector_size(16)));
    h8 h;
    memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, v8);
#else
    v8 v;
    for (int i = 0; i < 8; i++) v[i] = nb_half_to_float(p[i]);
    return v;
#endif
}

VINLINE v8 v8_load_bytes(const int8_t *p) {
    typedef int8_t b8 __attribute__((vector_size(8)));
    b8 b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, v8);
}

// exp(x) = 2^k exp(r), |r| <= ln(2) / 2, with a polynomial of degree 6 (Cephes' coefficients): below 2 ulp, denormals
// included; infinity above 88.72.
VINLINE v8 v8_exp(v8 x) {
    v8 c = v8_min(v8_max(x, v8_all(-104.0f)), v8_all(88.8f));
    v8 shifted = v8_fma(c, v8_all(1.44269504f), v8_all(12582912.0f));
    i8x k = (i8x)shifted - (i8x)v8_all(12582912.0f);
    v8 n = shifted - v8_all(12582912.0f);
    v8 r = v8_fma(n, v8_all(-0.693359375f), c);
    r = v8_fma(n, v8_all(2.12194440e-4f), r);
    v8 p = v8_all(1.9875691500e-4f);
    p = v8_fma(p, r, v8_all(1.3981999507e-3f));
    p = v8_fma(p, r, v8_all(8.3334519073e-3f));
    p = v8_fma(p, r, v8_all(4.1665795894e-2f));
    p = v8_fma(p, r, v8_all(1.6666665459e-1f));
    p = v8_fma(p, r, v8_all(5.0000001201e-1f));
    p = v8_fma(p, r * r, r) + v8_all(1.0f);
    i8x half = k >> 1;
    v8 result = p * (v8)((half + 127) << 23) * (v8)((k - half + 127) << 23);
    return v8_choose(x == x, result, x);
}

// 1 / (1 + exp(-x)).
VINLINE v8 v8_sigmoid(v8 x) { return v8_all(1.0f) / (v8_all(1.0f) + v8_exp(-x)); }

// Abramowitz and Stegun 7.1.26: absolute error below 1.5e-7.
VINLINE v8 v8_erf(v8 x) {
    v8 a = (v8)((i8x)x & 0x7FFFFFFF);
    v8 t = v8_all(1.0f) / v8_fma(v8_all(0.3275911f), a, v8_all(1.0f));
    v8 p = v8_all(1.061405429f);
    p = v8_fma(p, t, v8_all(-1.453152027f));
    p = v8_fma(p, t, v8_all(1.421413741f));
    p = v8_fma(p, t, v8_all(-0.284496736f));
    p = v8_fma(p, t, v8_all(0.254829592f));
    v8 y = v8_fma(-(p * t), v8_exp(-(a * a)), v8_all(1.0f));
    return (v8)((i8x)y | ((i8x)x & (int32_t)0x80000000));
}

#endif
