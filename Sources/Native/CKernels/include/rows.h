// Operations on rows of f32, and attention over a paged cache. See rows_body.h and attention_body.h.
#ifndef NESTBOX_ROWS_H
#define NESTBOX_ROWS_H

#include "team.h"

#include <stdint.h>

/// f32 rows: row t begins at data + t * stride.
typedef struct {
    float *data;
    size_t stride;
} nb_rows;

enum { NB_SILU = 0, NB_GELU_TANH = 1, NB_GELU_ERF = 2, NB_RELU = 3 };

/// "avx2" or "portable": what the operations below run on. `nb_rows_choose` is for tests; false when not to be had.
const char *nb_rows_kind(void);
int nb_rows_choose(const char *kind);

/// out = x / sqrt(mean(x²) + eps) * weight for `groups` neighbouring vectors of `size` in each row. `out` may be `x`.
void nb_rms_norm(nb_team *team, nb_rows x, const float *weight, float eps, size_t size, size_t groups, nb_rows out,
                 size_t tokens);
/// out = (x - mean) / sqrt(variance + eps) * weight + bias; `bias` may be null, `out` may be `x`.
void nb_layer_norm(nb_team *team, nb_rows x, const float *weight, const float *bias, float eps, size_t size, nb_rows out,
                   size_t tokens);
/// out (tokens, size) = activation(x[:, 0 ..< size]) * x[:, size ...]; `out` may be `x`.
void nb_gated(nb_team *team, int activation, nb_rows x, size_t size, nb_rows out, size_t tokens);
/// x = activation(x).
void nb_activate(nb_team *team, int activation, nb_rows x, size_t size, size_t tokens);
/// x += y * scale.
void nb_add(nb_team *team, nb_rows y, nb_rows x, float scale, size_t size, size_t tokens);
/// x = softmax(x) along each row.
void nb_softmax(nb_team *team, nb_rows x, size_t size, size_t tokens);
/// The index of the greatest element of each row, the first of equals; NaN is never greatest (0 when all are).
void nb_argmax(nb_team *team, nb_rows x, size_t size, size_t tokens, int32_t *result);

/// angles (tokens, 2 pairs) = cosines, then sines of positions[t] * frequencies[i], times `magnitude`.
void nb_rope_angles(nb_team *team, const float *frequencies, size_t pairs, const int32_t *positions, float magnitude,
                    nb_rows angles, size_t tokens);
/// Rotates the first 2 pairs elements of `heads` neighbouring vectors of `headSize` in each row: neighbours (0, 1), (2, 3) …
/// when `interleaved`, else halves (0, pairs), (1, pairs + 1) ….
void nb_rope(nb_team *team, nb_rows x, size_t heads, size_t headSize, size_t pairs, int interleaved, nb_rows angles,
             size_t tokens);

enum { NB_KV_F32 = 0, NB_KV_F16 = 1, NB_KV_Q8 = 2 };

/// A paged cache of keys and values. A page of one layer holds, head by head, the keys [headSize][pageSize], then the
/// values [pageSize][headSize]; for q8 scales f32 [heads][pageSize] of the keys, then of the values, follow.
typedef struct {
    uint8_t *data;
    size_t layers, heads, headSize, pageSize, pages, pageBytes;
    int type;
} nb_kv_cache;

/// One sequence of a step; the fields of `SequenceSpan`.
typedef struct {
    int32_t queryStart, queryCount, length, tableStart;
} nb_span;

/// Stores keys and values (tokens, heads * headSize) of a layer at slots[t] = page * pageSize + place; negative: nowhere.
void nb_store_kv(nb_team *team, const nb_kv_cache *cache, size_t layer, nb_rows keys, nb_rows values,
                 const int32_t *slots, size_t tokens);

/// out (T, heads * headSize) = softmax(q kᵀ scale) v over each sequence's pages. Causal: query i of a span sees its first
/// length - queryCount + i + 1 positions, else all; a window > 0 leaves the last `window` of them.
/// headSize at most 256 and a multiple of 8; pageSize a multiple of 16.
void nb_attention(nb_team *team, const nb_kv_cache *cache, size_t layer, nb_rows q, size_t heads, const nb_span *spans,
                  size_t spanCount, const int32_t *blockTable, float scale, int causal, size_t window, nb_rows out);

#endif
