// Row operations and attention: the choice of instruction set, and how work is shared out.
#include "rows_internal.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic(const nb_row_set *) chosen;
static nb_row_set best;

int nb_rows_choose(const char *kind) {
    if (nb_rows_avx2(&best) && (!kind || strcmp(kind, best.name) == 0)) {
        atomic_store(&chosen, &best);
        return 1;
    }
    atomic_store(&chosen, &nb_rows_portable);
    return !kind || strcmp(kind, nb_rows_portable.name) == 0;
}

static const nb_row_set *rows(void) {
    const nb_row_set *set = atomic_load_explicit(&chosen, memory_order_acquire);
    if (set) return set;
    nb_rows_choose(NULL);
    return atomic_load(&chosen);
}

const char *nb_rows_kind(void) { return rows()->name; }

// Below this many elements in all, waking the team costs more than it saves.
enum { PIECE = 8192 };

static void share(nb_team *team, nb_row_operation body, nb_row_work work, size_t tokens, size_t elements) {
    size_t grain = elements == 0 ? tokens : PIECE / elements + 1;
    nb_team_ranges(team, tokens, grain, body, &work);
}

void nb_rms_norm(nb_team *team, nb_rows x, const float *weight, float eps, size_t size, size_t groups, nb_rows out,
                 size_t tokens) {
    nb_row_work work = {.x = x, .out = out, .weight = weight, .eps = eps, .size = size, .groups = groups};
    share(team, rows()->rmsNorm, work, tokens, size * groups);
}

void nb_layer_norm(nb_team *team, nb_rows x, const float *weight, const float *bias, float eps, size_t size, nb_rows out,
                   size_t tokens) {
    nb_row_work work = {.x = x, .out = out, .weight = weight, .bias = bias, .eps = eps, .size = size};
    share(team, rows()->layerNorm, work, tokens, size);
}

void nb_gated(nb_team *team, int activation, nb_rows x, size_t size, nb_rows out, size_t tokens) {
    nb_row_work work = {.x = x, .out = out, .size = size, .activation = activation};
    share(team, rows()->gated, work, tokens, 4 * size);
}

void nb_activate(nb_team *team, int activation, nb_rows x, size_t size, size_t tokens) {
    nb_row_work work = {.x = x, .size = size, .activation = activation};
    share(team, rows()->activate, work, tokens, 4 * size);
}

void nb_add(nb_team *team, nb_rows y, nb_rows x, float scale, size_t size, size_t tokens) {
    nb_row_work work = {.x = x, .y = y, .scale = scale, .size = size};
    share(team, rows()->add, work, tokens, size);
}

void nb_softmax(nb_team *team, nb_rows x, size_t size, size_t tokens) {
    nb_row_work work = {.x = x, .size = size};
    share(team, rows()->softmax, work, tokens, 4 * size);
}

void nb_argmax(nb_team *team, nb_rows x, size_t size, size_t tokens, int32_t *result) {
    nb_row_work work = {.x = x, .size = size, .result = result};
    share(team, rows()->argmax, work, tokens, size);
}

typedef struct {
    const float *frequencies;
    size_t pairs;
    const int32_t *positions;
    float magnitude;
    nb_rows angles;
} angle_work;

static void make_angles(void *context, size_t begin, size_t end) {
    const angle_work *w = context;
    for (size_t t = begin; t < end; t++) {
        float *c = w->angles.data + t * w->angles.stride, *s = c + w->pairs;
        for (size_t i = 0; i < w->pairs; i++) {
            float angle = (float)w->positions[t] * w->frequencies[i];
            c[i] = cosf(angle) * w->magnitude;
            s[i] = sinf(angle) * w->magnitude;
        }
    }
}

void nb_rope_angles(nb_team *team, const float *frequencies, size_t pairs, const int32_t *positions, float magnitude,
                    nb_rows angles, size_t tokens) {
    angle_work work = {frequencies, pairs, positions, magnitude, angles};
    nb_team_ranges(team, tokens, 16, make_angles, &work);
}

void nb_rope(nb_team *team, nb_rows x, size_t heads, size_t headSize, size_t pairs, int interleaved, nb_rows angles,
             size_t tokens) {
    nb_row_work work = {.x = x, .y = angles, .size = pairs, .groups = heads, .headSize = headSize,
                        .interleaved = interleaved};
    share(team, rows()->rope, work, tokens, 2 * heads * headSize);
}

void nb_store_kv(nb_team *team, const nb_kv_cache *cache, size_t layer, nb_rows keys, nb_rows values,
                 const int32_t *slots, size_t tokens) {
    nb_kv_work work = {cache, layer, keys, values, slots};
    nb_team_ranges(team, tokens, 16, rows()->storeKV, &work);
}

typedef struct {
    nb_attention_work work;
    const nb_row_set *set;
} attention_run;

// Pieces are (span, key head, tile of rows) in this order.
static size_t tiles_of(const nb_attention_work *w, nb_span span) {
    size_t rowCount = (size_t)span.queryCount * (w->heads / w->cache->heads);
    return (rowCount + NB_QUERY_TILE - 1) / NB_QUERY_TILE;
}

static void attend_pieces(void *context, size_t begin, size_t end) {
    const attention_run *run = context;
    const nb_attention_work *w = &run->work;
    size_t passed = 0;
    for (size_t s = 0; s < w->spanCount && begin < end; s++) {
        size_t tiles = tiles_of(w, w->spans[s]), pieces = tiles * w->cache->heads;
        for (; begin < end && begin < passed + pieces; begin++) {
            size_t piece = begin - passed, first = piece % tiles * NB_QUERY_TILE;
            size_t left = (size_t)w->spans[s].queryCount * (w->heads / w->cache->heads) - first;
            run->set->attend(w, s, piece / tiles, first, left < NB_QUERY_TILE ? left : NB_QUERY_TILE);
        }
        passed += pieces;
    }
}

void nb_attention(nb_team *team, const nb_kv_cache *cache, size_t layer, nb_rows q, size_t heads, const nb_span *spans,
                  size_t spanCount, const int32_t *blockTable, float scale, int causal, size_t window, nb_rows out) {
    attention_run run = {
        {cache, layer, heads, spanCount, window, q, out, spans, blockTable, scale, causal}, rows()};
    size_t pieces = 0, positions = 0;
    for (size_t s = 0; s < spanCount; s++) {
        pieces += tiles_of(&run.work, spans[s]) * cache->heads;
        positions += (size_t)spans[s].length;
    }
    // A handful of positions is not worth waking the team for.
    nb_team_ranges(positions * heads * cache->headSize < PIECE ? NULL : team, pieces, 1, attend_pieces, &run);
}
