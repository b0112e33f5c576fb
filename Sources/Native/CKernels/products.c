// Products of activations with packed weights: the order of work, and the choice of kernels.
//
// A chunk of row groups is one thread's piece. For each tile of 16 tokens and each panel of columns that fits the first
// cache together with the chunk's place in the second, a kernel adds a group's blocks to 16 × 8 accumulators. An output
// is always summed block after block in f32 (integers within a block are exact), so that its bits depend on nothing but
// its row and its token.
#include "products_internal.h"

#include <stdatomic.h>

// CHUNK groups at a time. Blocks of a panel that stays in the first cache, spread and not; from SPREAD_TOKENS tokens on
// it pays to spread.
enum { CHUNK = 24, SPREAD_BLOCKS = 3, PANEL_BLOCKS = 24, SPREAD_TOKENS = 9 };

static inline size_t round_up_64(size_t n) { return (n + 63) / 64 * 64; }

size_t nb_product_scratch_bytes(size_t tokens, size_t columns) {
    size_t count, padded = (columns + BLOCK - 1) / BLOCK * BLOCK;
    if (columns > SIZE_MAX / 64 || __builtin_mul_overflow(tokens, padded, &count) || count > SIZE_MAX / 16) return 0;
    return round_up_64(count) + round_up_64(count * 2) + count / BLOCK * sizeof(nb_block_meta) + 64;
}

// Choice

static nb_product_set chosen;
static _Atomic int chosenState;  // 0 none, 1 being made, 2 ready

static int same_as_scalar(const nb_product_set *set);

static int make_set(nb_product_set *set, const char *kind) {
    int (*const makers[])(nb_product_set *) = {
        nb_products_avx512_vnni, nb_products_avx_vnni, nb_products_neon, nb_products_avx2};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        *set = (nb_product_set){0};
        if (!makers[i](set) || (kind && strcmp(kind, set->name) != 0)) continue;
        if (same_as_scalar(set)) return 1;
    }
    *set = nb_products_scalar;
    return !kind || strcmp(kind, set->name) == 0;
}

int nb_products_choose(const char *kind) {
    nb_product_set set;
    if (!make_set(&set, kind)) return 0;
    atomic_store(&chosenState, 1);
    chosen = set;
    atomic_store(&chosenState, 2);
    return 1;
}

static const nb_product_set *products(void) {
    if (atomic_load_explicit(&chosenState, memory_order_acquire) == 2) return &chosen;
    int none = 0;
    if (atomic_compare_exchange_strong(&chosenState, &none, 1)) {
        make_set(&chosen, NULL);
        atomic_store(&chosenState, 2);
    }
    while (atomic_load(&chosenState) != 2) {}
    return &chosen;
}

const char *nb_products_kind(void) { return products()->name; }

// Rounding of activations

typedef struct {
    const nb_product_set *set;
    const float *x;
    size_t stride, tokens, blocks;
    nb_activations out;
    int wide;
} rounding;

// The tile that begins with token `first`.
static nb_activations tile_at(nb_activations all, size_t first, size_t blocks) {
    all.q += first * blocks * BLOCK;
    if (all.wide) all.wide += first * blocks * BLOCK;
    all.meta += first * blocks;
    return all;
}

static void round_tokens(void *context, size_t begin, size_t end) {
    const rounding *work = context;
    for (size_t t = begin; t < end; t++) {
        size_t first = t / TILE * TILE, width = work->tokens - first < TILE ? work->tokens - first : TILE;
        nb_activations tile = tile_at(work->out, first, work->blocks);
        size_t at = t - first;
        work->set->quantize(work->x + t * work->stride, work->blocks, width * BLOCK, tile.q + at * BLOCK,
                            tile.wide ? tile.wide + at * BLOCK : NULL, tile.meta + at);
    }
}

// Products

typedef struct {
    const nb_product_set *set;
    nb_matrix matrix;
    nb_activations activations;
    const float *x;
    size_t xStride;
    float *out;
    size_t outStride, tokens;
    const float *bias;
    int accumulate;
} product;

// Adds bias and what is there, and stores `used` rows of one token.
static inline void store(const product *work, size_t t, size_t row, size_t used, const float *restrict acc) {
    float *restrict out = work->out + t * work->outStride + row;
    const float *restrict bias = work->bias ? work->bias + row : NULL;
    float value[GROUP];
    memcpy(value, acc, sizeof value);
    if (used == GROUP && !bias && !work->accumulate) {
        memcpy(out, value, sizeof value);
        return;
    }
    if (bias)
        for (size_t r = 0; r < used; r++) value[r] += bias[r];
    if (work->accumulate)
        for (size_t r = 0; r < used; r++) value[r] += out[r];
    for (size_t r = 0; r < used; r++) out[r] = value[r];
}

static size_t used_rows(const nb_matrix *matrix, size_t group) {
    return matrix->rows - group * GROUP < GROUP ? matrix->rows - group * GROUP : GROUP;
}

// One tile by spread activations: spreading pays when several groups share it.
static void spread_tile(const product *work, nb_activations *tile, int width, size_t begin, size_t end, int cold,
                        float acc[CHUNK][TILE * GROUP]) {
    nb_layout layout = nb_layout_of(work->matrix.dtype);
    size_t blocks = work->matrix.columns / BLOCK, groupBytes = nb_group_bytes(layout, work->matrix.columns);
    _Alignas(64) int8_t q[SPREAD_BLOCKS * TILE * 256];
    _Alignas(64) float d[SPREAD_BLOCKS * TILE * 8], sums[SPREAD_BLOCKS * TILE * 16];
    nb_spread panel = {q, d, sums};
    for (size_t b = 0; b < blocks; b += SPREAD_BLOCKS) {
        size_t stop = blocks - b < SPREAD_BLOCKS ? blocks : b + SPREAD_BLOCKS;
        work->set->spreader(tile, b, stop, width, layout.halves, work->set->wide && layout.bits == 8, &panel);
        for (size_t g = begin; g < end; g++) {
            const uint8_t *group = work->matrix.data + g * groupBytes;
            if (cold) {
                const uint8_t *next = stop < blocks ? nb_block_at(layout, group, stop) : group + (end - begin) * groupBytes;
                for (int i = 0; i < SPREAD_BLOCKS * layout.block; i += 64) __builtin_prefetch(next + i, 0, 2);
            }
            work->set->spread[work->matrix.dtype](group, b, stop, &panel, width, acc[g - begin]);
        }
    }
}

static void quantized_chunk(const product *work, size_t begin, size_t end) {
    nb_layout layout = nb_layout_of(work->matrix.dtype);
    size_t blocks = work->matrix.columns / BLOCK, groupBytes = nb_group_bytes(layout, work->matrix.columns);
    nb_block_kernel kernel = work->set->block[work->matrix.dtype];
    _Alignas(64) float acc[CHUNK][TILE * GROUP];
    for (size_t first = 0; first < work->tokens; first += TILE) {
        int width = (int)(work->tokens - first < TILE ? work->tokens - first : TILE);
        nb_activations tile = tile_at(work->activations, first, blocks);
        size_t panel = width > 4 ? PANEL_BLOCKS : blocks;
        for (size_t g = begin; g < end; g++) memset(acc[g - begin], 0, sizeof(float) * GROUP * (size_t)width);
        int spread = work->set->spread[work->matrix.dtype] && width >= SPREAD_TOKENS && end - begin >= 4;
        if (spread) spread_tile(work, &tile, width, begin, end, first == 0, acc);
        for (size_t b = 0; !spread && b < blocks; b += panel)
            for (size_t g = begin; g < end; g++)
                kernel(work->matrix.data + g * groupBytes, b, blocks - b < panel ? blocks : b + panel, &tile, width,
                       acc[g - begin]);
        for (int t = 0; t < width; t++)
            for (size_t g = begin; g < end; g++)
                store(work, first + (size_t)t, g * GROUP, used_rows(&work->matrix, g), acc[g - begin] + t * GROUP);
    }
}

enum { PLAIN_GROUPS = 4, PLAIN_TOKENS = 6, PLAIN_PANEL = 512 };

static void plain_chunk(const product *work, size_t begin, size_t end) {
    size_t size = work->matrix.dtype == NB_F32 ? 4 : 2, columns = work->matrix.columns;
    size_t groupBytes = columns * GROUP * size;
    nb_plain_kernel kernel = work->set->plain[work->matrix.dtype];
    _Alignas(64) float acc[PLAIN_TOKENS * PLAIN_GROUPS * GROUP];
    for (size_t g = begin; g < end; g += PLAIN_GROUPS) {
        size_t groups = end - g < PLAIN_GROUPS ? end - g : PLAIN_GROUPS;
        for (size_t t = 0; t < work->tokens; t += PLAIN_TOKENS) {
            int width = (int)(work->tokens - t < PLAIN_TOKENS ? work->tokens - t : PLAIN_TOKENS);
            memset(acc, 0, sizeof(float) * GROUP * groups * (size_t)width);
            kernel(work->matrix.data + g * groupBytes, groupBytes, (int)groups, 0, columns,
                   work->x + t * work->xStride, work->xStride, width, acc);
            for (int i = 0; i < width; i++)
                for (size_t j = 0; j < groups; j++)
                    store(work, t + (size_t)i, (g + j) * GROUP, used_rows(&work->matrix, g + j),
                          acc + ((size_t)i * groups + j) * GROUP);
        }
    }
}

typedef struct {
    const product *parts;
    const size_t *firstGroup;
    size_t count;
} products_of_parts;

static void multiply(void *context, size_t begin, size_t end) {
    const products_of_parts *all = context;
    for (size_t p = 0; p < all->count && begin < end; p++) {
        const product *part = all->parts + p;
        size_t first = all->firstGroup[p], last = all->firstGroup[p + 1];
        if (begin >= last) continue;
        size_t stop = end < last ? end : last;
        for (size_t g = begin; g < stop; g += CHUNK) {
            size_t until = stop - g < CHUNK ? stop : g + CHUNK;
            if (nb_layout_of(part->matrix.dtype).perHeader) quantized_chunk(part, g - first, until - first);
            else plain_chunk(part, g - first, until - first);
        }
        begin = stop;
    }
}

enum { MAX_PARTS = 8 };

void nb_matmul(nb_team *team, const nb_matrix *parts, size_t partCount, const float *x, size_t xStride, float *out,
               size_t outStride, size_t tokens, const float *bias, int accumulate, void *scratch) {
    const nb_product_set *set = products();
    product work[MAX_PARTS];
    size_t firstGroup[MAX_PARTS + 1] = {0}, columns = parts[0].columns, row = 0;
    if (partCount > MAX_PARTS || tokens == 0) return;
    int quantized = 0, wide = 0;
    size_t count = tokens * ((columns + BLOCK - 1) / BLOCK * BLOCK);
    nb_activations activations = {scratch, NULL, (nb_block_meta *)((char *)scratch + round_up_64(count))};
    for (size_t p = 0; p < partCount; p++) {
        nb_layout layout = nb_layout_of(parts[p].dtype);
        quantized |= layout.perHeader;
        wide |= set->wide && layout.bits == 8;
    }
    if (wide) activations.wide = (int16_t *)((char *)activations.meta + round_up_64(count / BLOCK * sizeof(nb_block_meta)));
    for (size_t p = 0; p < partCount; p++) {
        work[p] = (product){set, parts[p], activations, x, xStride, out + row, outStride, tokens,
                            bias ? bias + row : NULL, accumulate};
        row += parts[p].rows;
        firstGroup[p + 1] = firstGroup[p] + (parts[p].rows + GROUP - 1) / GROUP;
    }
    if (quantized) {
        rounding rounded = {set, x, xStride, tokens, columns / BLOCK, activations, wide};
        nb_team_ranges(team, tokens, 8, round_tokens, &rounded);
    }
    products_of_parts all = {work, firstGroup, partCount};
    // Pieces small enough to share evenly, large enough to be worth handing out.
    size_t groups = firstGroup[partCount], turn = (size_t)nb_team_width(team) * CHUNK;
    size_t pieces = (groups + turn - 1) / turn * (size_t)nb_team_width(team), grain = (groups + pieces - 1) / pieces;
    nb_team_ranges(team, groups, grain, multiply, &all);
}

// The check of a set of kernels against the scalar ones

static int same_product(const nb_product_set *set, uint32_t dtype, uint32_t *state) {
    enum { COLUMNS = 512, ROWS = 32, TOKENS = 11 };
    enum { META = TOKENS * COLUMNS / BLOCK * sizeof(nb_block_meta) };
    _Alignas(64) static uint8_t packed[COLUMNS * ROWS * 4], scratch[TOKENS * COLUMNS * 3 + META];
    static float x[TOKENS * COLUMNS];
    float out[2][TOKENS * ROWS];
    nb_layout layout = nb_layout_of(dtype);
    size_t bytes = nb_packed_bytes(dtype, ROWS, COLUMNS);
    for (size_t i = 0; i < bytes; i++) packed[i] = (uint8_t)((*state = *state * 1664525u + 1013904223u) >> 24);
    // Factors must be finite: every f16 and f32 gets a small exponent.
    for (size_t i = 1; i < bytes; i += 2) {
        size_t unit = layout.perHeader ? (size_t)(layout.header + layout.perHeader * layout.block) : bytes;
        size_t at = i % unit, factors = layout.perHeader == 1 ? (dtype == NB_Q4_1 || dtype == NB_Q5_1 ? 32 : 16)
                                                             : (size_t)layout.header;
        if (!layout.perHeader || at < factors) packed[i] = (uint8_t)((packed[i] & 0x83) | 0x2C);
    }
    for (size_t i = 0; i < TOKENS * COLUMNS; i++)
        x[i] = (float)(int32_t)(*state = *state * 1664525u + 1013904223u) * 0x1p-30f;
    for (int version = 0; version < 2; version++) {
        const nb_product_set *used = version ? set : &nb_products_scalar;
        nb_activations activations = {(int8_t *)scratch, NULL, (nb_block_meta *)(scratch + TOKENS * COLUMNS * 3)};
        if (used->wide) activations.wide = (int16_t *)(scratch + TOKENS * COLUMNS);
        rounding rounded = {used, x, COLUMNS, TOKENS, COLUMNS / BLOCK, activations, used->wide};
        round_tokens(&rounded, 0, TOKENS);
        product work = {used, {dtype, ROWS, COLUMNS, packed}, activations, x, COLUMNS, out[version], ROWS, TOKENS,
                        NULL, 0};
        if (layout.perHeader) quantized_chunk(&work, 0, ROWS / GROUP);
        else plain_chunk(&work, 0, ROWS / GROUP);
    }
    return memcmp(out[0], out[1], sizeof out[0]) == 0;
}

static int same_as_scalar(const nb_product_set *set) {
    uint32_t state = 1;
    for (uint32_t dtype = 0; dtype < 32; dtype++)
        if ((set->block[dtype] || set->plain[dtype]) && !same_product(set, dtype, &state)) return 0;
    return 1;
}
