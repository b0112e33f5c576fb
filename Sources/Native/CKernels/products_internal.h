// What the files of the products share. Not for other modules.
#ifndef NESTBOX_PRODUCTS_INTERNAL_H
#define NESTBOX_PRODUCTS_INTERNAL_H

#include "packed_internal.h"
#include "products.h"

/// Tokens that a kernel handles at once.
enum { TILE = 16 };

/// Scale and scaled sums of 32 activations of a token.
typedef struct {
    float d, sum, low, high;
} nb_block_meta;

/// Activations rounded to int8, in tiles of TILE tokens (the last one of those that are left): [tile][block][token][32].
typedef struct {
    int8_t *q;
    int16_t *wide;  ///< the same as int16; only for kernels of signed weights that want it
    nb_block_meta *meta;
} nb_activations;

/// acc [token][8] += blocks begin ..< end of a group times a tile of `tokens` tokens; pointers are to block 0 of the tile.
typedef void (*nb_block_kernel)(const uint8_t *group, size_t begin, size_t end, const nb_activations *tile, int tokens,
                                float *acc);

/// Activations of a panel, each four columns repeated in all eight lanes so that a product takes them from memory:
/// [block][token][8][32 bytes], for wide kernels as int16 [block][token][8][4 columns, four times].
typedef struct {
    int8_t *q;
    float *d, *sums;  ///< [block][token][8] and, for types with `halves` 2, [block][token][2][8]
} nb_spread;

/// acc [token][8] += blocks begin ..< end of a group times spread activations, whose block 0 is `begin`.
typedef void (*nb_spread_kernel)(const uint8_t *group, size_t begin, size_t end, const nb_spread *panel, int tokens,
                                 float *acc);

/// Spreads blocks begin ..< end of a tile.
typedef void (*nb_spreader)(const nb_activations *tile, size_t begin, size_t end, int tokens, int halves, int wide,
                            nb_spread *panel);

/// Rounds the blocks of one token: writes block b to q + b * step bytes (wide likewise) and meta + b * step / 32.
typedef void (*nb_quantizer)(const float *x, size_t blocks, size_t step, int8_t *q, int16_t *wide, nb_block_meta *meta);

/// acc [token][groups][8] += columns begin ..< end of `groups` neighbouring groups (1 … 4) of a plain matrix.
typedef void (*nb_plain_kernel)(const uint8_t *group, size_t groupBytes, int groups, size_t begin, size_t end,
                                const float *x, size_t xStride, int tokens, float *acc);

typedef struct {
    const char *name;
    nb_block_kernel block[32];
    nb_quantizer quantize;
    nb_plain_kernel plain[32];
    nb_spread_kernel spread[32];  ///< null where a kernel prefers the activations as they are
    nb_spreader spreader;
    int wide;  ///< whether 8-bit kernels want int16 activations
} nb_product_set;

extern const nb_product_set nb_products_scalar;
/// Fills in what this processor can run; 0 when it cannot.
int nb_products_avx2(nb_product_set *set);
int nb_products_avx_vnni(nb_product_set *set);
int nb_products_avx512_vnni(nb_product_set *set);
int nb_products_neon(nb_product_set *set);

#endif
