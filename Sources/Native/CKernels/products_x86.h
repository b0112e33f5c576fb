// Products for 256-bit registers of x86. A .c file defines TARGET, NAME, SUPPORTED and, with dpbusd, DPBUSD; then includes this.
//
// A 32-bit lane is a row: maddubs multiplies four columns of eight rows (unsigned) with the broadcast four activations
// (signed) into pairs of int16. Eight such sums of 4-bit integers stay below 8 * 2 * 15 * 128 < 2^15, so the step to int32
// comes once per block; 5 bits allow four, 6 bits two.
#include <immintrin.h>

#include "products_internal.h"

#define INLINE static inline __attribute__((always_inline, target(TARGET)))
#define KERNEL static __attribute__((target(TARGET)))

typedef struct {
    __m256i w[8];
    __m256 scale[2], min[2];
} x86_block;

INLINE __m256 x86_halves(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE __m256 x86_bytes(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE __m256 x86_signed_bytes(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE __m256i x86_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

INLINE void x86_nibbles(const uint8_t *p, __m256i w[8]) {
    const __m256i low = _mm256_set1_epi8(15);
    for (int j = 0; j < 4; j++) {
        __m256i v = x86_load(p + 32 * j);
        w[j] = _mm256_and_si256(v, low);
        w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
    }
}

// Two bits per integer, planes of four groups.
INLINE void x86_two_bits(const uint8_t *p, __m256i w[8]) {
    const __m256i low = _mm256_set1_epi8(3);
    for (int h = 0; h < 2; h++) {
        __m256i v = x86_load(p + 32 * h);
        for (int g = 0; g < 4; g++) w[4 * h + g] = _mm256_and_si256(_mm256_srli_epi16(v, 2 * g), low);
    }
}

// Adds bit g of each byte of a plane to w[g], at `place`.
INLINE void x86_high_bit(const uint8_t *p, int place, __m256i w[8]) {
    const __m256i mask = _mm256_set1_epi8((char)(1 << place));
    __m256i v = x86_load(p);
    for (int g = 0; g < 8; g++) {
        __m256i moved = g > place ? _mm256_srli_epi16(v, g - place) : _mm256_slli_epi16(v, place - g);
        w[g] = _mm256_or_si256(w[g], _mm256_and_si256(moved, mask));
    }
}

INLINE void x86_high_two_bits(const uint8_t *p, __m256i w[8]) {
    const __m256i mask = _mm256_set1_epi8(48);
    for (int h = 0; h < 2; h++) {
        __m256i v = x86_load(p + 32 * h);
        for (int g = 0; g < 4; g++) {
            __m256i moved = g > 2 ? _mm256_srli_epi16(v, 2 * g - 4) : _mm256_slli_epi16(v, 4 - 2 * g);
            w[4 * h + g] = _mm256_or_si256(w[4 * h + g], _mm256_and_si256(moved, mask));
        }
    }
}

INLINE x86_block x86_load_block(uint32_t dtype, const uint8_t *group, size_t b) {
    nb_layout layout = nb_layout_of(dtype);
    const uint8_t *header = nb_header_at(layout, group, b), *p = nb_block_at(layout, group, b);
    x86_block out;
    __m256 d = x86_halves(layout.perHeader == 1 ? p : header);
    out.scale[0] = out.scale[1] = d;
    switch (dtype) {
    case NB_Q4_0:
        out.min[0] = _mm256_mul_ps(d, _mm256_set1_ps(-8));
        x86_nibbles(p + 16, out.w);
        break;
    case NB_Q4_1:
        out.min[0] = x86_halves(p + 16);
        x86_nibbles(p + 32, out.w);
        break;
    case NB_Q5_0:
        out.min[0] = _mm256_mul_ps(d, _mm256_set1_ps(-16));
        x86_nibbles(p + 48, out.w);
        x86_high_bit(p + 16, 4, out.w);
        break;
    case NB_Q5_1:
        out.min[0] = x86_halves(p + 16);
        x86_nibbles(p + 64, out.w);
        x86_high_bit(p + 32, 4, out.w);
        break;
    case NB_Q4_K: case NB_Q5_K:
        out.scale[0] = _mm256_mul_ps(d, x86_bytes(p));
        out.min[0] = _mm256_xor_ps(_mm256_mul_ps(x86_halves(header + 16), x86_bytes(p + 8)), _mm256_set1_ps(-0.0f));
        x86_nibbles(p + layout.block - 128, out.w);
        if (dtype == NB_Q5_K) x86_high_bit(p + 16, 4, out.w);
        break;
    case NB_Q2_K:
        for (int h = 0; h < 2; h++) {
            __m128i both = _mm_loadl_epi64((const __m128i *)(p + 8 * h)), low = _mm_set1_epi8(15);
            __m256i s = _mm256_cvtepu8_epi32(_mm_and_si128(both, low));
            __m256i m = _mm256_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(both, 4), low));
            out.scale[h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
            out.min[h] = _mm256_xor_ps(_mm256_mul_ps(x86_halves(header + 16), _mm256_cvtepi32_ps(m)), _mm256_set1_ps(-0.0f));
        }
        x86_two_bits(p + 16, out.w);
        break;
    case NB_Q3_K: case NB_Q6_K:
        for (int h = 0; h < 2; h++) {
            out.scale[h] = _mm256_mul_ps(d, x86_signed_bytes(p + 8 * h));
            out.min[h] = _mm256_mul_ps(out.scale[h], _mm256_set1_ps(dtype == NB_Q3_K ? -4 : -32));
        }
        if (dtype == NB_Q3_K) {
            x86_two_bits(p + 48, out.w);
            x86_high_bit(p + 16, 2, out.w);
        } else {
            x86_nibbles(p + 80, out.w);
            x86_high_two_bits(p + 16, out.w);
        }
        break;
    case NB_Q8_0:
        for (int g = 0; g < 8; g++) out.w[g] = x86_load(p + 16 + 32 * g);
        break;
    case NB_IQ4_NL: {
        __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)nb_iq4_values));
        x86_nibbles(p + 16, out.w);
        for (int g = 0; g < 8; g++) out.w[g] = _mm256_shuffle_epi8(table, out.w[g]);
        break;
    }
    }
    return out;
}

INLINE __m256i x86_four(const int8_t *q) {
    int32_t four;
    memcpy(&four, q, 4);
    return _mm256_set1_epi32(four);
}

// Sum over groups `from` ..< `to` of w[g] · q[4 g …], unsigned times signed.
// `spread` activations are there eight times, 32 bytes for four.
INLINE __m256i x86_dot(const __m256i *w, const int8_t *q, int from, int to, int bits, int spread) {
#define X86_FOUR(g) (spread ? x86_load((const uint8_t *)q + 32 * (g)) : x86_four(q + 4 * (g)))
#ifdef DPBUSD
    (void)bits;
    __m256i sum = _mm256_setzero_si256();
    for (int g = from; g < to; g++) sum = DPBUSD(sum, w[g], X86_FOUR(g));
    return sum;
#else
    const __m256i ones = _mm256_set1_epi16(1);
    int run = bits <= 4 ? 8 : bits == 5 ? 4 : 2;
    __m256i total = _mm256_setzero_si256();
    for (int g = from; g < to; g += run) {
        __m256i sum = _mm256_maddubs_epi16(w[g], X86_FOUR(g));
        for (int i = g + 1; i < g + run && i < to; i++)
            sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w[i], X86_FOUR(i)));
        __m256i part = _mm256_madd_epi16(sum, ones);
        total = g == from ? part : _mm256_add_epi32(total, part);
    }
    return total;
#endif
#undef X86_FOUR
}

INLINE __m256 x86_add_block(uint32_t dtype, const x86_block *w, const int8_t *q, const nb_block_meta *meta, __m256 acc) {
    nb_layout layout = nb_layout_of(dtype);
    __m256 d = _mm256_broadcast_ss(&meta->d);
    if (layout.halves == 1) {
        __m256 dot = _mm256_cvtepi32_ps(x86_dot(w->w, q, 0, 8, layout.bits, 0));
        acc = _mm256_fmadd_ps(dot, _mm256_mul_ps(w->scale[0], d), acc);
        return _mm256_fmadd_ps(w->min[0], _mm256_broadcast_ss(&meta->sum), acc);
    }
    for (int h = 0; h < 2; h++) {
        __m256 dot = _mm256_cvtepi32_ps(x86_dot(w->w, q, 4 * h, 4 * h + 4, layout.bits, 0));
        acc = _mm256_fmadd_ps(dot, _mm256_mul_ps(w->scale[h], d), acc);
        acc = _mm256_fmadd_ps(w->min[h], _mm256_broadcast_ss(h ? &meta->high : &meta->low), acc);
    }
    return acc;
}

INLINE void x86_unsigned(uint32_t dtype, const uint8_t *group, size_t begin, size_t end, const nb_activations *tile,
                         int tokens, float *acc) {
    const int8_t *q = tile->q + begin * (size_t)tokens * BLOCK;
    const nb_block_meta *meta = tile->meta + begin * (size_t)tokens;
    if (tokens == 1) {
        // Weights are read once from memory: the processor's own prefetch stops at every page.
        const char *ahead = (const char *)nb_block_at(nb_layout_of(dtype), group, begin) + 2048;
        __m256 sum = _mm256_loadu_ps(acc);
        for (size_t b = begin; b < end; b++, q += BLOCK, meta++) {
            for (int i = 0; i < nb_layout_of(dtype).block; i += 64) _mm_prefetch(ahead + i, _MM_HINT_T0);
            ahead += nb_layout_of(dtype).block;
            x86_block w = x86_load_block(dtype, group, b);
            sum = x86_add_block(dtype, &w, q, meta, sum);
        }
        _mm256_storeu_ps(acc, sum);
        return;
    }
    for (size_t b = begin; b < end; b++) {
        x86_block w = x86_load_block(dtype, group, b);
        for (int t = 0; t < tokens; t++, q += BLOCK, meta++) {
            float *a = acc + t * GROUP;
            _mm256_storeu_ps(a, x86_add_block(dtype, &w, q, meta, _mm256_loadu_ps(a)));
        }
    }
}

// Signed 8-bit weights. With dpbusd the sign moves to the activation; without, both are widened to int16 and madd adds
// pairs of 32 bits: rows 0 … 3 in one register and 4 … 7 in another, two lanes a row, brought together at the end.
#ifdef DPBUSD
INLINE void x86_signed(uint32_t dtype, const uint8_t *group, size_t begin, size_t end, const nb_activations *tile,
                       int tokens, float *acc) {
    const int8_t *q = tile->q + begin * (size_t)tokens * BLOCK;
    const nb_block_meta *meta = tile->meta + begin * (size_t)tokens;
    for (size_t b = begin; b < end; b++) {
        x86_block w = x86_load_block(dtype, group, b);
        for (int t = 0; t < tokens; t++, q += BLOCK, meta++) {
            __m256i sum = _mm256_setzero_si256();
            for (int g = 0; g < 8; g++)
                sum = DPBUSD(sum, _mm256_abs_epi8(w.w[g]), _mm256_sign_epi8(x86_four(q + 4 * g), w.w[g]));
            float *a = acc + t * GROUP;
            __m256 scale = _mm256_mul_ps(w.scale[0], _mm256_broadcast_ss(&meta->d));
            _mm256_storeu_ps(a, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, _mm256_loadu_ps(a)));
        }
    }
}
#else
INLINE __m256i x86_four_wide(const int16_t *q) {
    int64_t four;
    memcpy(&four, q, 8);
    return _mm256_set1_epi64x(four);
}

INLINE void x86_signed_half(const __m256i *low, const __m256i *high, const int16_t *q, __m256i *a, __m256i *b) {
    for (int g = 0; g < 4; g++) {
        __m256i x = x86_four_wide(q + 4 * g);
        __m256i p = _mm256_madd_epi16(low[g], x), r = _mm256_madd_epi16(high[g], x);
        *a = g ? _mm256_add_epi32(*a, p) : p;
        *b = g ? _mm256_add_epi32(*b, r) : r;
    }
}

INLINE void x86_signed(uint32_t dtype, const uint8_t *group, size_t begin, size_t end, const nb_activations *tile,
                       int tokens, float *acc) {
    const int16_t *q = tile->wide + begin * (size_t)tokens * BLOCK;
    const nb_block_meta *meta = tile->meta + begin * (size_t)tokens;
    for (size_t b = begin; b < end; b++, q += tokens * BLOCK, meta += tokens) {
        x86_block w = x86_load_block(dtype, group, b);
        __m256i low[8], high[8], sums[TILE][2];
        for (int g = 0; g < 8; g++) {
            low[g] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w.w[g]));
            high[g] = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w.w[g], 1));
        }
        for (int t = 0; t < tokens; t++) x86_signed_half(low, high, q + t * BLOCK, &sums[t][0], &sums[t][1]);
        for (int t = 0; t < tokens; t++) {
            __m256i p, r;
            x86_signed_half(low + 4, high + 4, q + t * BLOCK + 16, &p, &r);
            p = _mm256_add_epi32(p, sums[t][0]);
            r = _mm256_add_epi32(r, sums[t][1]);
            __m256i sum = _mm256_permute4x64_epi64(_mm256_hadd_epi32(p, r), 0xD8);
            float *a = acc + t * GROUP;
            __m256 scale = _mm256_mul_ps(w.scale[0], _mm256_broadcast_ss(&meta[t].d));
            _mm256_storeu_ps(a, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, _mm256_loadu_ps(a)));
        }
    }
}
#endif

// The same on spread activations

KERNEL void x86_spread(const nb_activations *tile, size_t begin, size_t end, int tokens, int halves, int wide,
                       nb_spread *panel) {
    size_t count = (end - begin) * (size_t)tokens, first = begin * (size_t)tokens;
    const nb_block_meta *meta = tile->meta + first;
    for (size_t i = 0; i < count; i++, meta++) {
        int8_t *out = panel->q + i * 256;
        for (int g = 0; g < 8; g++) {
            int64_t four = 0;
            if (wide) memcpy(&four, tile->wide + (first + i) * BLOCK + 4 * g, 8);
            else memcpy(&four, tile->q + (first + i) * BLOCK + 4 * g, 4);
            __m256i v = wide ? _mm256_set1_epi64x(four) : _mm256_set1_epi32((int32_t)four);
            _mm256_storeu_si256((__m256i *)(out + 32 * g), v);
        }
        _mm256_storeu_ps(panel->d + i * 8, _mm256_broadcast_ss(&meta->d));
        if (wide) continue;
        if (halves == 1) {
            _mm256_storeu_ps(panel->sums + i * 8, _mm256_broadcast_ss(&meta->sum));
        } else {
            _mm256_storeu_ps(panel->sums + i * 16, _mm256_broadcast_ss(&meta->low));
            _mm256_storeu_ps(panel->sums + i * 16 + 8, _mm256_broadcast_ss(&meta->high));
        }
    }
}

INLINE void x86_unsigned_spread(uint32_t dtype, const uint8_t *group, size_t begin, size_t end, const nb_spread *panel,
                                int tokens, float *acc) {
    nb_layout layout = nb_layout_of(dtype);
    const int8_t *q = panel->q;
    const float *d = panel->d, *sums = panel->sums;
    for (size_t b = begin; b < end; b++) {
        x86_block w = x86_load_block(dtype, group, b);
        float *a = acc;
        for (int t = 0; t < tokens; t++, q += 256, d += 8, sums += 8 * layout.halves, a += GROUP) {
            __m256 sum = _mm256_loadu_ps(a), scale = _mm256_loadu_ps(d);
            int columns = layout.halves == 1 ? 8 : 4;
            for (int h = 0; h < layout.halves; h++) {
                __m256 dot = _mm256_cvtepi32_ps(x86_dot(w.w, q, columns * h, columns * (h + 1), layout.bits, 1));
                sum = _mm256_fmadd_ps(dot, _mm256_mul_ps(w.scale[h], scale), sum);
                sum = _mm256_fmadd_ps(w.min[h], _mm256_loadu_ps(sums + 8 * h), sum);
            }
            _mm256_storeu_ps(a, sum);
        }
    }
}

#ifndef DPBUSD
INLINE void x86_signed_spread(uint32_t dtype, const uint8_t *group, size_t begin, size_t end, const nb_spread *panel,
                              int tokens, float *acc) {
    const int8_t *q = panel->q;
    const float *d = panel->d;
    for (size_t b = begin; b < end; b++, q += 256 * tokens) {
        x86_block block = x86_load_block(dtype, group, b);
        __m256i sums[TILE][2];
        for (int half = 0; half < 2; half++) {
            __m256i low[4], high[4];
            for (int g = 0; g < 4; g++) {
                low[g] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(block.w[4 * half + g]));
                high[g] = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(block.w[4 * half + g], 1));
            }
            for (int t = 0; t < tokens; t++) {
                const uint8_t *x = (const uint8_t *)q + 256 * t + 128 * half;
                __m256i p = _mm256_madd_epi16(low[0], x86_load(x)), r = _mm256_madd_epi16(high[0], x86_load(x));
                for (int g = 1; g < 4; g++) {
                    p = _mm256_add_epi32(p, _mm256_madd_epi16(low[g], x86_load(x + 32 * g)));
                    r = _mm256_add_epi32(r, _mm256_madd_epi16(high[g], x86_load(x + 32 * g)));
                }
                if (half == 0) {
                    sums[t][0] = p;
                    sums[t][1] = r;
                    continue;
                }
                __m256i both = _mm256_hadd_epi32(_mm256_add_epi32(p, sums[t][0]), _mm256_add_epi32(r, sums[t][1]));
                __m256 dot = _mm256_cvtepi32_ps(_mm256_permute4x64_epi64(both, 0xD8));
                float *a = acc + t * GROUP;
                __m256 scale = _mm256_mul_ps(block.scale[0], _mm256_loadu_ps(d + 8 * t));
                _mm256_storeu_ps(a, _mm256_fmadd_ps(dot, scale, _mm256_loadu_ps(a)));
            }
        }
        d += 8 * tokens;
    }
}
#endif

#define X86_SPREAD(name, dtype, body)                                                                              \
    KERNEL void name(const uint8_t *group, size_t begin, size_t end, const nb_spread *panel, int tokens,           \
                     float *acc) {                                                                                 \
        body(dtype, group, begin, end, panel, tokens, acc);                                                        \
    }
X86_SPREAD(q4_0_spread, NB_Q4_0, x86_unsigned_spread)
X86_SPREAD(q4_1_spread, NB_Q4_1, x86_unsigned_spread)
X86_SPREAD(q5_0_spread, NB_Q5_0, x86_unsigned_spread)
X86_SPREAD(q5_1_spread, NB_Q5_1, x86_unsigned_spread)
X86_SPREAD(q2_K_spread, NB_Q2_K, x86_unsigned_spread)
X86_SPREAD(q3_K_spread, NB_Q3_K, x86_unsigned_spread)
X86_SPREAD(q4_K_spread, NB_Q4_K, x86_unsigned_spread)
X86_SPREAD(q5_K_spread, NB_Q5_K, x86_unsigned_spread)
X86_SPREAD(q6_K_spread, NB_Q6_K, x86_unsigned_spread)
#ifdef DPBUSD
// dpbusd wants the sign of each weight moved to the activation: nothing to gain from activations in memory.
#define q8_0_spread NULL
#define iq4_nl_spread NULL
#else
X86_SPREAD(q8_0_spread, NB_Q8_0, x86_signed_spread)
X86_SPREAD(iq4_nl_spread, NB_IQ4_NL, x86_signed_spread)
#endif

#define X86_KERNEL(name, dtype, body)                                                                              \
    KERNEL void name(const uint8_t *group, size_t begin, size_t end, const nb_activations *tile, int tokens,      \
                     float *acc) {                                                                                 \
        body(dtype, group, begin, end, tile, tokens, acc);                                                         \
    }
X86_KERNEL(q4_0, NB_Q4_0, x86_unsigned)
X86_KERNEL(q4_1, NB_Q4_1, x86_unsigned)
X86_KERNEL(q5_0, NB_Q5_0, x86_unsigned)
X86_KERNEL(q5_1, NB_Q5_1, x86_unsigned)
X86_KERNEL(q2_K, NB_Q2_K, x86_unsigned)
X86_KERNEL(q3_K, NB_Q3_K, x86_unsigned)
X86_KERNEL(q4_K, NB_Q4_K, x86_unsigned)
X86_KERNEL(q5_K, NB_Q5_K, x86_unsigned)
X86_KERNEL(q6_K, NB_Q6_K, x86_unsigned)
X86_KERNEL(q8_0, NB_Q8_0, x86_signed)
X86_KERNEL(iq4_nl, NB_IQ4_NL, x86_signed)

KERNEL void x86_quantize(const float *x, size_t blocks, size_t step, int8_t *q, int16_t *wide, nb_block_meta *meta) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t b = 0; b < blocks; b++, x += BLOCK, q += step, meta += step / BLOCK) {
        __m256 v[4], most = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
            v[i] = _mm256_loadu_ps(x + 8 * i);
            most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
        }
        __m128 top = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
        top = _mm_max_ps(top, _mm_movehl_ps(top, top));
        top = _mm_max_ss(top, _mm_movehdup_ps(top));
        float greatest = _mm_cvtss_f32(top), d = greatest / 127.0f;
        float inverse = greatest > 1e-30f ? 127.0f / greatest : 0.0f;
        if (greatest <= 1e-30f) d = 0;
        __m256i r[4];
        for (int i = 0; i < 4; i++) r[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
        __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(r[0], r[1]), _mm256_packs_epi32(r[2], r[3]));
        packed = _mm256_permutevar8x32_epi32(packed, order);
        _mm256_storeu_si256((__m256i *)q, packed);
        __m256i first = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(packed));
        __m256i second = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(packed, 1));
        __m256i pairs = _mm256_hadd_epi32(_mm256_madd_epi16(first, _mm256_set1_epi16(1)),
                                          _mm256_madd_epi16(second, _mm256_set1_epi16(1)));
        __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        int low = _mm_extract_epi32(sums, 0) + _mm_extract_epi32(sums, 1);
        int high = _mm_extract_epi32(sums, 2) + _mm_extract_epi32(sums, 3);
        *meta = (nb_block_meta){d, d * (float)(low + high), d * (float)low, d * (float)high};
        if (!wide) continue;
        _mm256_storeu_si256((__m256i *)wide, first);
        _mm256_storeu_si256((__m256i *)(wide + 16), second);
        wide += step;
    }
}

INLINE __m256 x86_plain_load(uint32_t dtype, const uint8_t *p, size_t k) {
    if (dtype == NB_F32) return _mm256_loadu_ps((const float *)(const void *)p + k * GROUP);
    __m128i h = _mm_loadu_si128((const __m128i *)(p + k * GROUP * 2));
    if (dtype == NB_F16) return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

// `groups` × `tokens` accumulators stay in registers when both are constants.
INLINE void x86_plain_tile(uint32_t dtype, const uint8_t *group, size_t groupBytes, const int groups, size_t begin,
                           size_t end, const float *x, size_t xStride, const int tokens, float *acc, size_t accStride) {
    __m256 sum[6][4];
    for (int t = 0; t < tokens; t++)
        for (int j = 0; j < groups; j++) sum[t][j] = _mm256_loadu_ps(acc + (size_t)t * accStride + j * GROUP);
    for (size_t k = begin; k < end; k++) {
        __m256 w[4];
        for (int j = 0; j < groups; j++) w[j] = x86_plain_load(dtype, group + (size_t)j * groupBytes, k);
        for (int t = 0; t < tokens; t++) {
            __m256 v = _mm256_broadcast_ss(x + (size_t)t * xStride + k);
            for (int j = 0; j < groups; j++) sum[t][j] = _mm256_fmadd_ps(w[j], v, sum[t][j]);
        }
    }
    for (int t = 0; t < tokens; t++)
        for (int j = 0; j < groups; j++) _mm256_storeu_ps(acc + (size_t)t * accStride + j * GROUP, sum[t][j]);
}

INLINE void x86_plain(uint32_t dtype, const uint8_t *group, size_t groupBytes, int groups, size_t begin, size_t end,
                      const float *x, size_t xStride, int tokens, float *acc) {
    size_t stride = (size_t)groups * GROUP;
    if (tokens == 1 && groups == 4) {
        x86_plain_tile(dtype, group, groupBytes, 4, begin, end, x, xStride, 1, acc, stride);
        return;
    }
    for (int j = 0; j < groups;) {
        int two = groups - j >= 2;
        for (int t = 0; t < tokens;) {
            int left = tokens - t;
            const uint8_t *w = group + (size_t)j * groupBytes;
            const float *v = x + (size_t)t * xStride;
            float *a = acc + (size_t)t * stride + (size_t)j * GROUP;
#define X86_TILE(g, n) x86_plain_tile(dtype, w, groupBytes, g, begin, end, v, xStride, n, a, stride)
            if (left >= 6) two ? X86_TILE(2, 6) : X86_TILE(1, 6), t += 6;
            else if (left >= 4) two ? X86_TILE(2, 4) : X86_TILE(1, 4), t += 4;
            else if (left >= 2) two ? X86_TILE(2, 2) : X86_TILE(1, 2), t += 2;
            else two ? X86_TILE(2, 1) : X86_TILE(1, 1), t += 1;
#undef X86_TILE
        }
        j += two ? 2 : 1;
    }
}

#define X86_PLAIN(name, dtype)                                                                                     \
    KERNEL void name(const uint8_t *group, size_t groupBytes, int groups, size_t begin, size_t end, const float *x, \
                     size_t xStride, int tokens, float *acc) {                                                     \
        x86_plain(dtype, group, groupBytes, groups, begin, end, x, xStride, tokens, acc);                          \
    }
X86_PLAIN(f32, NB_F32)
X86_PLAIN(f16, NB_F16)
X86_PLAIN(bf16, NB_BF16)

static int x86_fill(nb_product_set *set, const char *name, int wide) {
    *set = (nb_product_set){
        .name = name,
        .block = {[NB_Q4_0] = q4_0, [NB_Q4_1] = q4_1, [NB_Q5_0] = q5_0, [NB_Q5_1] = q5_1, [NB_Q8_0] = q8_0,
                  [NB_IQ4_NL] = iq4_nl, [NB_Q2_K] = q2_K, [NB_Q3_K] = q3_K, [NB_Q4_K] = q4_K, [NB_Q5_K] = q5_K,
                  [NB_Q6_K] = q6_K},
        .quantize = x86_quantize,
        .plain = {[NB_F32] = f32, [NB_F16] = f16, [NB_BF16] = bf16},
        .spread = {[NB_Q4_0] = q4_0_spread, [NB_Q4_1] = q4_1_spread, [NB_Q5_0] = q5_0_spread, [NB_Q5_1] = q5_1_spread,
                   [NB_Q2_K] = q2_K_spread, [NB_Q3_K] = q3_K_spread, [NB_Q4_K] = q4_K_spread, [NB_Q5_K] = q5_K_spread,
                   [NB_Q6_K] = q6_K_spread, [NB_Q8_0] = q8_0_spread, [NB_IQ4_NL] = iq4_nl_spread},
        .spreader = x86_spread,
        .wide = wide,
    };
    return 1;
}
