// Attention over a paged cache, compiled once per instruction set. Online softmax (Milakov and Gimelshein 2018; Dao et
// al. 2022) over chunks of 64 positions that begin at multiples of 64, so that a query's result does not depend on which
// other queries share its tile. Keys lie transposed in their page: 16 positions of one dimension are one load.
#include "rows_internal.h"
#include "vector.h"

#pragma STDC FP_CONTRACT OFF

enum { CHUNK_POSITIONS = 64, STRIP = 16 };

VINLINE uint16_t half_from_float(float x) {
#if defined(TARGET) || defined(__aarch64__)
    _Float16 h = (_Float16)x;
    uint16_t bits;
    memcpy(&bits, &h, 2);
    return bits;
#else
    uint32_t u;
    memcpy(&u, &x, 4);
    uint32_t sign = u >> 16 & 0x8000, a = u & 0x7FFFFFFF;
    if (a > 0x7F800000) return (uint16_t)(sign | 0x7E00);
    if (a >= 0x477FF000) return (uint16_t)(sign | 0x7C00);
    if (a < 0x38800000) return (uint16_t)(sign | (uint32_t)lrintf(fabsf(x) * 0x1p24f));
    return (uint16_t)(sign | ((a - 0x38000000 + 0xFFF + (a >> 13 & 1)) >> 13));
#endif
}

VINLINE size_t kv_element(int type) { return type == NB_KV_F32 ? 4 : type == NB_KV_F16 ? 2 : 1; }

// Where the parts of a head are in a page.
typedef struct {
    uint8_t *keys, *values;
    float *keyScales, *valueScales;
} kv_head;

VINLINE kv_head head_at(const nb_kv_cache *c, size_t layer, size_t page, size_t head) {
    uint8_t *p = c->data + (layer * c->pages + page) * c->pageBytes;
    size_t half = c->headSize * c->pageSize * kv_element(c->type);
    float *scales = (float *)(void *)(p + 2 * half * c->heads);
    return (kv_head){p + 2 * half * head, p + 2 * half * head + half, scales + head * c->pageSize,
                     scales + (c->heads + head) * c->pageSize};
}

VINLINE void store_vector(int type, const float *x, size_t n, uint8_t *out, size_t step, float *scale) {
    float greatest = 0;
    if (type == NB_KV_Q8) {
        for (size_t i = 0; i < n; i++) greatest = fabsf(x[i]) > greatest ? fabsf(x[i]) : greatest;
        *scale = greatest / 127.0f;
    }
    float inverse = greatest > 1e-30f && greatest < INFINITY ? 127.0f / greatest : 0.0f;
    for (size_t i = 0; i < n; i++) {
        if (type == NB_KV_F32) {
            memcpy(out + i * step * 4, x + i, 4);
        } else if (type == NB_KV_F16) {
            uint16_t h = half_from_float(x[i]);
            memcpy(out + i * step * 2, &h, 2);
        } else {
            float v = x[i] * inverse;
            out[i * step] = (uint8_t)(int8_t)(fabsf(v) < 127.5f ? lrintf(v) : 0);
        }
    }
}

VFUNCTION void store_kv(void *context, size_t begin, size_t end) {
    const nb_kv_work *w = context;
    const nb_kv_cache *c = w->cache;
    size_t n = c->headSize, e = kv_element(c->type);
    for (size_t t = begin; t < end; t++) {
        if (w->slots[t] < 0) continue;
        size_t page = (size_t)w->slots[t] / c->pageSize, place = (size_t)w->slots[t] % c->pageSize;
        for (size_t h = 0; h < c->heads; h++) {
            kv_head at = head_at(c, w->layer, page, h);
            const float *k = w->keys.data + t * w->keys.stride + h * n, *v = w->values.data + t * w->values.stride + h * n;
            store_vector(c->type, k, n, at.keys + place * e, c->pageSize, at.keyScales + place);
            store_vector(c->type, v, n, at.values + place * n * e, 1, at.valueScales + place);
        }
    }
}

VINLINE v8 load_kv(int type, const uint8_t *p, size_t index) {
    if (type == NB_KV_F32) return v8_load((const float *)(const void *)p + index);
    if (type == NB_KV_F16) return v8_load_halves((const uint16_t *)(const void *)p + index);
    return v8_load_bytes((const int8_t *)p + index);
}

// scores (rows, 16) = q (rows, n) · 16 neighbouring keys; `rows` is a constant at most 6.
VINLINE void score_rows(int type, int rows, const float *q, size_t n, const uint8_t *keys, size_t keyStride,
                        const float *keyScales, float *scores) {
    v8 sum[6][2];
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = v8_all(0);
    for (size_t d = 0; d < n; d++) {
        v8 a = load_kv(type, keys, d * keyStride), b = load_kv(type, keys, d * keyStride + 8);
        for (int r = 0; r < rows; r++) {
            v8 x = v8_all(q[(size_t)r * n + d]);
            sum[r][0] = v8_fma(x, a, sum[r][0]);
            sum[r][1] = v8_fma(x, b, sum[r][1]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < 2; i++) {
            v8 v = type == NB_KV_Q8 ? sum[r][i] * v8_load(keyScales + 8 * i) : sum[r][i];
            v8_store(scores + r * CHUNK_POSITIONS + 8 * i, v);
        }
}

// The values of a chunk: strips of 16 positions, `last` of them in the last strip.
typedef struct {
    const uint8_t *strips[CHUNK_POSITIONS / STRIP];
    const float *scales[CHUNK_POSITIONS / STRIP];
    int count, last;
} value_strips;

// out (rows, width) += p (rows, positions) · values (positions, width), width 8 or 16.
VINLINE void mix_rows(int type, int rows, int width, const float *p, const value_strips *v, size_t n, size_t column,
                      float *out) {
    v8 sum[6][2];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < width / 8; i++) sum[r][i] = v8_load(out + (size_t)r * n + column + 8 * (size_t)i);
    for (int s = 0; s < v->count; s++) {
        int positions = s == v->count - 1 ? v->last : STRIP;
        for (int j = 0; j < positions; j++) {
            v8 a[2];
            for (int i = 0; i < width / 8; i++) a[i] = load_kv(type, v->strips[s], (size_t)j * n + column + 8 * (size_t)i);
            for (int r = 0; r < rows; r++) {
                v8 x = v8_all(p[r * CHUNK_POSITIONS + s * STRIP + j]);
                for (int i = 0; i < width / 8; i++) sum[r][i] = v8_fma(x, a[i], sum[r][i]);
            }
        }
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < width / 8; i++) v8_store(out + (size_t)r * n + column + 8 * (size_t)i, sum[r][i]);
}

#define BY_ROWS(rows, CALL)        \
    switch (rows) {                \
    case 1: CALL(1); break;        \
    case 2: CALL(2); break;        \
    case 3: CALL(3); break;        \
    case 4: CALL(4); break;        \
    case 5: CALL(5); break;        \
    default: CALL(6); break;       \
    }

VINLINE void score_strip(int type, int rows, const float *q, size_t n, const uint8_t *keys, size_t keyStride,
                         const float *keyScales, float *scores) {
    for (int r = 0; r < rows; r += 6) {
#define SCORE(count) score_rows(type, count, q + (size_t)r * n, n, keys, keyStride, keyScales, scores + r * CHUNK_POSITIONS)
        BY_ROWS(rows - r, SCORE)
#undef SCORE
    }
}

VINLINE void mix_strips(int type, int rows, const float *p, const value_strips *v, size_t n, float *out) {
    for (int r = 0; r < rows; r += 6) {
        size_t column = 0;
        for (; column + 16 <= n; column += 16) {
#define MIX(count) mix_rows(type, count, 16, p + r * CHUNK_POSITIONS, v, n, column, out + (size_t)r * n)
            BY_ROWS(rows - r, MIX)
#undef MIX
        }
        if (column < n) {
#define MIX(count) mix_rows(type, count, 8, p + r * CHUNK_POSITIONS, v, n, column, out + (size_t)r * n)
            BY_ROWS(rows - r, MIX)
#undef MIX
        }
    }
}

// The running state of a row: its visible positions, the greatest score and the sum of exponentials so far.
typedef struct {
    int64_t from, to;
    float most, sum;
} softmax_row;

// Turns a row's scores of the chunk at `start` into weights and scales what was mixed before.
VINLINE void soften(softmax_row *row, int64_t start, int positions, float *scores, float *out, size_t n) {
    v8 most = v8_all(-INFINITY);
    int padded = (positions + 7) / 8 * 8;
    if (row->from > start || row->to < start + padded)
        for (int j = 0; j < padded; j++)
            if (start + j < row->from || start + j >= row->to) scores[j] = -INFINITY;
    for (int j = 0; j < padded; j += 8) most = v8_max(v8_load(scores + j), most);
    float greatest = v8_greatest(most);
    greatest = greatest > row->most ? greatest : row->most;
    if (row->to <= start || row->from >= start + positions || greatest == -INFINITY) {
        for (int j = 0; j < padded; j++) scores[j] = 0;
        return;
    }
    v8 m = v8_all(greatest), sum = v8_all(0);
    for (int j = 0; j < padded; j += 8) {
        v8 e = v8_exp(v8_load(scores + j) - m);
        v8_store(scores + j, e);
        sum += e;
    }
    if (greatest != row->most) {
        v8 shrink = v8_exp(v8_all(row->most) - m);
        row->sum *= shrink[0];
        for (size_t i = 0; i < n; i += 8) v8_store(out + i, v8_load(out + i) * shrink);
        row->most = greatest;
    }
    row->sum += v8_sum(sum);
}

VINLINE void attend_typed(int type, const nb_attention_work *w, size_t spanIndex, size_t kvHead, size_t first,
                          size_t count) {
    const nb_kv_cache *c = w->cache;
    nb_span span = w->spans[spanIndex];
    size_t n = c->headSize, share = w->heads / c->heads;
    _Alignas(32) float q[NB_QUERY_TILE * NB_MAX_HEAD], out[NB_QUERY_TILE * NB_MAX_HEAD];
    _Alignas(32) float scores[NB_QUERY_TILE * CHUNK_POSITIONS];
    softmax_row rows[NB_QUERY_TILE];
    int64_t from = INT64_MAX, to = 0;
    for (size_t i = 0; i < count; i++) {
        size_t t = (first + i) / share, head = kvHead * share + (first + i) % share;
        const float *source = w->q.data + ((size_t)span.queryStart + t) * w->q.stride + head * n;
        for (size_t d = 0; d < n; d += 8) {
            v8_store(q + i * n + d, v8_load(source + d) * v8_all(w->scale));
            v8_store(out + i * n + d, v8_all(0));
        }
        int64_t end = w->causal ? (int64_t)span.length - span.queryCount + (int64_t)t + 1 : span.length;
        int64_t begin = w->window && end > (int64_t)w->window ? end - (int64_t)w->window : 0;
        rows[i] = (softmax_row){begin, end, -INFINITY, 0};
        from = begin < from ? begin : from;
        to = end > to ? end : to;
    }
    for (int64_t start = from / CHUNK_POSITIONS * CHUNK_POSITIONS; start < to; start += CHUNK_POSITIONS) {
        int positions = (int)(to - start < CHUNK_POSITIONS ? to - start : CHUNK_POSITIONS);
        value_strips values = {.count = (positions + STRIP - 1) / STRIP, .last = (positions - 1) % STRIP + 1};
        for (int s = 0; s < values.count; s++) {
            size_t position = (size_t)start + (size_t)s * STRIP, place = position % c->pageSize;
            size_t page = (size_t)w->blockTable[(size_t)span.tableStart + position / c->pageSize];
            kv_head at = head_at(c, w->layer, page, kvHead);
            size_t e = kv_element(type);
            values.strips[s] = at.values + place * n * e;
            values.scales[s] = at.valueScales + place;
            score_strip(type, (int)count, q, n, at.keys + place * e, c->pageSize, at.keyScales + place, scores + s * STRIP);
        }
        for (size_t i = 0; i < count; i++) {
            float *p = scores + i * CHUNK_POSITIONS;
            soften(rows + i, start, positions, p, out + i * n, n);
            if (type != NB_KV_Q8) continue;
            for (int j = 0; j < positions; j++) p[j] *= values.scales[j / STRIP][j % STRIP];
        }
        mix_strips(type, (int)count, scores, &values, n, out);
    }
    for (size_t i = 0; i < count; i++) {
        size_t t = (first + i) / share, head = kvHead * share + (first + i) % share;
        float *target = w->out.data + ((size_t)span.queryStart + t) * w->out.stride + head * n;
        v8 scale = v8_all(rows[i].sum > 0 ? 1.0f / rows[i].sum : rows[i].sum == 0 ? 0.0f : NAN);
        for (size_t d = 0; d < n; d += 8) v8_store(target + d, v8_load(out + i * n + d) * scale);
    }
}

VFUNCTION void attend(const nb_attention_work *w, size_t span, size_t kvHead, size_t first, size_t count) {
    switch (w->cache->type) {
    case NB_KV_F32: attend_typed(NB_KV_F32, w, span, kvHead, first, count); break;
    case NB_KV_F16: attend_typed(NB_KV_F16, w, span, kvHead, first, count); break;
    default: attend_typed(NB_KV_Q8, w, span, kvHead, first, count);
    }
}
