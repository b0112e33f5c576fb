// What the files of the row operations share. Not for other modules.
#ifndef NESTBOX_ROWS_INTERNAL_H
#define NESTBOX_ROWS_INTERNAL_H

#include "rows.h"

/// The arguments of any row operation.
typedef struct {
    nb_rows x, y, out;
    const float *weight, *bias;
    float eps, scale;
    size_t size, groups;
    int activation, interleaved;
    size_t headSize;
    int32_t *result;
} nb_row_work;

typedef void (*nb_row_operation)(void *work, size_t begin, size_t end);

typedef struct {
    const nb_kv_cache *cache;
    size_t layer;
    nb_rows keys, values;
    const int32_t *slots;
} nb_kv_work;

typedef struct {
    const nb_kv_cache *cache;
    size_t layer, heads, spanCount, window;
    nb_rows q, out;
    const nb_span *spans;
    const int32_t *blockTable;
    float scale;
    int causal;
} nb_attention_work;

typedef struct {
    const char *name;
    nb_row_operation rmsNorm, layerNorm, gated, activate, add, softmax, argmax, rope, storeKV;
    /// Queries first ..< first + count (at most NB_QUERY_TILE / heads per key head) of a span, for one key head.
    void (*attend)(const nb_attention_work *work, size_t span, size_t kvHead, size_t first, size_t count);
} nb_row_set;

/// Rows (query × head of a key head) that attention handles at once.
enum { NB_QUERY_TILE = 24, NB_MAX_HEAD = 256 };

extern const nb_row_set nb_rows_portable;
int nb_rows_avx2(nb_row_set *set);

#endif
