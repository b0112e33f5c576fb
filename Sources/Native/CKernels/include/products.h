// Products of f32 activations with packed weights. See products.c.
#ifndef NESTBOX_PRODUCTS_H
#define NESTBOX_PRODUCTS_H

#include "packed.h"

/// What the products of this process run on: "avx2", "avx512-vnni", "avx-vnni", "neon-dotprod" or "scalar".
/// Chosen at first use: the best that the processor has and that gives the scalar version's bits on a small product.
const char *nb_products_kind(void);

/// Chooses another one ("scalar" for tests; null for the best); false when it is not to be had.
int nb_products_choose(const char *kind);

/// Bytes of scratch that a product of `tokens` × `columns` needs; 0 on overflow.
size_t nb_product_scratch_bytes(size_t tokens, size_t columns);

/// out (tokens, rows of all parts) = x (tokens, columns) · partsᵀ [+ bias] [+ out]: the parts' outputs are neighbours.
/// `stride`s count floats. The bits of a result depend neither on the team nor on the other tokens.
/// Activations are rounded to int8 per 32 columns for quantized parts, and not for plain ones.
void nb_matmul(nb_team *team, const nb_matrix *parts, size_t partCount, const float *x, size_t xStride, float *out,
               size_t outStride, size_t tokens, const float *bias, int accumulate, void *scratch);

#endif
